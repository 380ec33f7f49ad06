"""Make the tidy table behind Figure 2: every trial, every mean with its interval and test, and the trivial baselines.

    python -m scripts.tabulate_figure2 --trials results/tables/trials.csv --baselines results/tables/baselines.csv \\
        --significance results/tables/significance.csv --intervals results/tables/intervals.csv \\
        --config figures.json --out results/tables/figure2.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=Path, required=True, help="collected trials of the study (.csv)")
    parser.add_argument("--baselines", type=Path, required=True, help="trivial baselines of the study (.csv)")
    parser.add_argument("--significance", type=Path, required=True, help="significance table of the study (.csv)")
    parser.add_argument("--intervals", type=Path, required=True, help="intervals of the study's means (.csv)")
    add_config(parser, "the section figures, with the study's datasets")
    parser.add_argument("--out", type=Path, required=True, help="table of Figure 2 (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence import tables
    from scripts.lib.evidence.differences import read_intervals
    from scripts.lib.study.tables import BASELINES, LABELS, TRIALS

    trials = tables.read_table(args.trials, [*TRIALS, *LABELS])
    baselines = tables.read_table(args.baselines, BASELINES)
    tests = tables.read_table(args.significance, tables.SIGNIFICANCE)
    intervals = read_intervals(args.intervals, [*tables.CELL, *tables.ENDS])
    table = tables.figure2(trials, baselines, tests, intervals, args.config)
    with atomic_file(args.out) as path:
        tables.write_table(table, path, digits=4)


if __name__ == "__main__":
    run(main)
