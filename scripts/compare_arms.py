"""Test every synthetic cell against real films alone: one-tailed t tests, 95 % intervals, Bonferroni and Holm.

    python -m scripts.compare_arms --trials results/tables/trials.csv --out results/tables/significance.csv \\
        --test welch --family setting --alpha 0.05 --metrics f1 dice
    python -m scripts.compare_arms --trials mine.csv

The second line needs nothing else of a study: mine.csv has at least the columns arm, trial and value, and one arm is `real`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=Path, required=True, help="collected trials (.csv)")
    parser.add_argument("--out", type=Path, help="significance table (.csv); left out: to the screen")
    parser.add_argument("--test", choices=("welch", "pooled", "paired"), default="welch", help="variant of the t test")
    parser.add_argument(
        "--family",
        choices=("setting", "dataset", "task", "study"),
        default="setting",
        help="tests that share one correction; setting = dataset x fraction x arm",
    )
    parser.add_argument("--alpha", type=float, default=0.05, help="level of the corrected P value")
    parser.add_argument("--metrics", nargs="+", default=[], help="metrics to test (default: all in the table)")
    args = parser.parse_args(argv)
    if not 0 < args.alpha < 1:
        parser.error(f"--alpha {args.alpha}: expected a number between 0 and 1")
    set_threads(args.threads)

    from scripts.lib.evidence.own_trials import read_own_trials
    from scripts.lib.evidence.statistics import significance
    from scripts.lib.evidence.tables import write_table

    trials, assumed = read_own_trials(args.trials)
    if assumed:
        print(f"{args.trials}: without {', '.join(assumed)}: one of each is assumed", file=sys.stderr)
    table = significance(trials, args.test, args.family, args.alpha, args.metrics)
    if args.out is None:
        print(table.to_csv(index=False, lineterminator="\n", na_rep="n/a"), end="")
        return
    with atomic_file(args.out) as path:
        write_table(table, path, digits=4)


if __name__ == "__main__":
    run(main)
