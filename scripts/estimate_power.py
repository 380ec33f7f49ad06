"""Estimate how small a difference this design can find, and how many trials or test films a given difference needs.

python -m scripts.estimate_power --differences results/tables/differences.csv --config statistics.yaml --out power.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--differences", type=Path, required=True, help="differences of the study (.csv)")
    add_config(parser, "the section statistics")
    parser.add_argument("--out", type=Path, required=True, help="table of the design's power (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.differences import read_intervals
    from scripts.lib.evidence.power import estimate_power
    from scripts.lib.evidence.tables import write_table

    wanted = args.config["power"]
    table = estimate_power(
        read_intervals(args.differences), args.config["alpha"], wanted["power"], wanted["difference"]
    )
    with atomic_file(args.out) as path:
        write_table(table, path, digits=4)


if __name__ == "__main__":
    run(main)
