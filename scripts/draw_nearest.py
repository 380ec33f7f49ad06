"""Draw the images of a pool that lie nearest to a training film, beside that film, worst first.

    python -m scripts.draw_nearest --pool results/rsna/pools/original/fraction-0.1/shard-0 --results results \\
        --nearest results/rsna/pools/original/fraction-0.1/nearest-0.parquet \\
        --floor results/generators/floors/controlnet.parquet --config '{"percentile": 99}' \\
        --generator results/generators/controlnet --datasets mimic candid --out results/rsna/pools/original/fraction-0.1/nearest.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, add_name, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool")
    parser.add_argument("--results", type=Path, required=True, help="folder with DATASET/cohort")
    parser.add_argument("--nearest", type=Path, nargs="+", required=True, help="nearest films of the shards (.parquet)")
    parser.add_argument(
        "--floor", type=Path, required=True, help="likeness of held-out films and planted copies (.parquet)"
    )
    parser.add_argument(
        "--generator", type=Path, required=True, help="folder of the generator, or the list of its films"
    )
    parser.add_argument("--datasets", nargs="+", required=True, help="datasets whose films may have taught it")
    add_name(parser)
    add_config(parser, "section memorisation")
    parser.add_argument("--out", type=Path, required=True, help="picture (.png)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.fidelity.memorisation import CopyGate
    from scripts.lib.fidelity.pairs import nearest_pairs
    from scripts.lib.fidelity.sources import read_floor, read_nearest, taught
    from scripts.lib.plotting.nearest import MOST, draw_nearest
    from scripts.lib.training.settings import Section

    gate = CopyGate.of(read_floor(args.floor), Section(args.config, "memorisation")["percentile"])
    learned, _ = taught(args.generator, args.results, args.datasets)
    pairs = nearest_pairs(args.pool, read_nearest(args.nearest), learned, gate, MOST)
    picture = draw_nearest(pairs.images, pairs.films, pairs.captions, args.name, pairs.about)
    with atomic_file(args.out) as path:
        picture.save(path, format="PNG", optimize=True)


if __name__ == "__main__":
    run(main)
