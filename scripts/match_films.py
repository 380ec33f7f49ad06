"""Find for each image of a shard the nearest film of those that taught its generator.

    python -m scripts.match_films --pool results/rsna/pools/original/fraction-0.1/shard-0 --results results \\
        --generator results/generators/controlnet --datasets mimic candid --features random \\
        --pool-pixels results/rsna/pools/original/fraction-0.1/features/pixels-0.npy \\
        --pool-features results/rsna/pools/original/fraction-0.1/features/random-0.npy \\
        --config '{"candidates": 8}' --share 1.0 --out results/rsna/pools/original/fraction-0.1/nearest-0.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="shard of the pool")
    parser.add_argument("--results", type=Path, required=True, help="folder with DATASET/cohort and DATASET/features")
    parser.add_argument(
        "--generator", type=Path, required=True, help="folder of the generator, or the list of its films"
    )
    parser.add_argument("--datasets", nargs="+", required=True, help="datasets whose films may have taught it")
    parser.add_argument("--features", required=True, help="network by which films are looked for")
    parser.add_argument("--pool-pixels", type=Path, required=True, help="thumbnails of the shard (.npy)")
    parser.add_argument("--pool-features", type=Path, required=True, help="features of the shard (.npy)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the images that are compared (default all)")
    add_config(parser, "section memorisation")
    parser.add_argument("--out", type=Path, required=True, help="the nearest film of each image (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.fidelity.floor import open_films
    from scripts.lib.fidelity.sources import match_shard, taught
    from scripts.lib.training.settings import Section

    learned, _ = taught(args.generator, args.results, args.datasets)
    films = open_films(learned, args.results, args.features)
    candidates = Section(args.config, "memorisation")["candidates"]
    table = match_shard(films, learned, args.pool, (args.pool_pixels, args.pool_features), args.share, candidates)
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
