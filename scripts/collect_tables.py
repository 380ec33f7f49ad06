"""Collect tables of the same columns into one, sorted; two rows about the same thing are an error.

python -m scripts.collect_tables --tables results/rsna/trials.csv results/siim/trials.csv --out trials.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--tables", type=Path, nargs="+", required=True, help="tables to collect (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="collected table (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.tables import collect, write_table

    table = collect(args.tables)
    with atomic_file(args.out) as path:
        write_table(table, path)


if __name__ == "__main__":
    run(main)
