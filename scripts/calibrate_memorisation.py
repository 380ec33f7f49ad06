"""Say how near held-out films come to those that taught a generator, and whether planted copies of these are found.

    python -m scripts.calibrate_memorisation --results results --generator results/generators/controlnet --datasets mimic candid --features random \\
        --config '{"candidates": 8, "planted": 100}' --out results/generators/floors/controlnet.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder with DATASET/cohort and DATASET/features")
    parser.add_argument(
        "--generator", type=Path, required=True, help="folder of the generator, or the list of its films"
    )
    parser.add_argument("--datasets", nargs="+", required=True, help="datasets whose films may have taught it")
    parser.add_argument("--features", required=True, help="network by which films are looked for")
    add_config(parser, "section memorisation")
    parser.add_argument(
        "--out", type=Path, required=True, help="likeness of held-out films and of planted copies (.parquet)"
    )
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.fidelity.floor import measure_floor
    from scripts.lib.fidelity.sources import taught
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "memorisation")
    learned, others = taught(args.generator, args.results, args.datasets)
    table = measure_floor(learned, others, args.results, args.features, settings["candidates"], settings["planted"])
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
