"""Collect the differences of all datasets, and correct their P values within families as wide as the study.

    python -m scripts.collect_differences --tables results/rsna/differences.csv results/siim/differences.csv \\
        --config statistics.yaml --family study --out results/tables/differences.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--tables", type=Path, nargs="+", required=True, help="differences of each dataset (.csv)")
    add_config(parser, "the section statistics")
    parser.add_argument("--family", default="setting", help="tests that share one correction (statistics.family)")
    parser.add_argument("--out", type=Path, required=True, help="differences of the study (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.evidence.differences import read_intervals, with_families
    from scripts.lib.evidence.tables import write_table

    table = pd.concat([read_intervals(path) for path in args.tables], ignore_index=True)
    table = with_families(table, args.family, args.config["metrics"], args.config["alpha"])
    with atomic_file(args.out) as path:
        write_table(table, path, digits=4)


if __name__ == "__main__":
    run(main)
