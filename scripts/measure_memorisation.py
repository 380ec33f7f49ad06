"""Say whether a pool is made of copies of the films that taught its generator: the table and its verdict.

    python -m scripts.measure_memorisation --nearest results/rsna/pools/original/fraction-0.1/nearest-0.parquet \\
        --floor results/generators/floors/controlnet.parquet --generator results/generators/controlnet --datasets mimic candid --config '{"alpha": 0.01, "percentile": 99}' \\
        --dataset rsna --arm original --fraction 0.1 --out memorisation.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--nearest", type=Path, nargs="+", required=True, help="nearest films of the shards (.parquet)")
    parser.add_argument(
        "--floor", type=Path, required=True, help="likeness of held-out films and planted copies (.parquet)"
    )
    parser.add_argument(
        "--generator", type=Path, required=True, help="folder of the generator, or the list of its films"
    )
    parser.add_argument("--datasets", nargs="+", required=True, help="datasets whose films may have taught it")
    parser.add_argument("--dropped", action="store_true", help="trials read no near-copies of this pool")
    for name in ("dataset", "arm", "fraction"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} of the pool")
    add_config(parser, "section memorisation")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.core.log import log
    from scripts.lib.evidence.tables import write_table
    from scripts.lib.fidelity.memorisation import CopyGate, table
    from scripts.lib.fidelity.sources import read_floor, read_nearest, unknown_teachers
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "memorisation")
    gate = CopyGate.of(read_floor(args.floor), settings["percentile"])
    similarity = read_nearest(args.nearest)["similarity"].to_numpy()
    notes = [
        unknown_teachers(args.generator, args.datasets),
        "near-copies are dropped before trials" if args.dropped else "",
    ]
    cell = {"dataset": args.dataset, "arm": args.arm, "fraction": args.fraction}
    found = table(similarity, gate, settings["alpha"], cell, notes)
    log(f"{args.dataset} {args.arm} at {args.fraction}: {found['verdict'].iloc[0]}; {found['note'].iloc[0]}")
    with atomic_file(args.out) as path:
        write_table(found, path)


if __name__ == "__main__":
    run(main)
