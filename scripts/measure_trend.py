"""Test whether more synthetic films help more: correlation and Page's trend test over the synthetic multipliers.

    python -m scripts.measure_trend --trials results/tables/trials.csv --out results/tables/trend.csv --metrics f1 dice

An addition to the paper, whose second hypothesis it tests.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=Path, required=True, help="collected trials (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="trend table (.csv)")
    parser.add_argument("--metrics", nargs="+", default=["f1", "dice"], help="metrics to test (default: f1 dice)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence.tables import read_table, write_table
    from scripts.lib.evidence.trend import trend
    from scripts.lib.study.tables import TRIALS

    table = trend(read_table(args.trials, TRIALS), args.metrics)
    with atomic_file(args.out) as path:
        write_table(table, path, digits=4)


if __name__ == "__main__":
    run(main)
