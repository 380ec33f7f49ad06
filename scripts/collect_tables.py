"""Collect tables of the same columns into one, sorted; two rows about the same thing are an error.

    python -m scripts.collect_tables --tables 'results/rsna/trials/real/fraction-0.1/trial-{}.csv' ... --trials 10 \\
        --out results/rsna/trials.csv
    python -m scripts.collect_tables --tables results/rsna/trials.csv results/siim/trials.csv --out trials.csv

A study can have more tables than fit into one command: with --trials, {} in a path stands for each number from 0 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--tables", type=Path, nargs="+", required=True, help="tables to collect (.csv)")
    parser.add_argument("--trials", type=int, help="how many numbers {} in a path stands for; left out = none")
    parser.add_argument("--out", type=Path, required=True, help="collected table (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.tables import collect, write_table

    table = collect(args.tables if args.trials is None else numbered(args.tables, args.trials))
    with atomic_file(args.out) as path:
        write_table(table, path)


def numbered(patterns: Sequence[Path], count: int) -> list[Path]:
    """Return each path once for each number from 0 to `count` - 1, in the place of its {}."""
    return [Path(str(pattern).replace("{}", str(number))) for pattern in patterns for number in range(count)]


if __name__ == "__main__":
    run(main)
