"""Test every synthetic cell against real films alone: one-tailed t tests, 95 % intervals, Bonferroni and Holm.

    python -m scripts.compare_arms --trials results/tables/trials.csv --out results/tables/significance.csv \\
        --test welch --family setting --alpha 0.05 --metrics f1 dice
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=Path, required=True, help="collected trials (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="significance table (.csv)")
    parser.add_argument("--test", choices=("welch", "pooled", "paired"), default="welch", help="variant of the t test")
    parser.add_argument(
        "--family",
        choices=("setting", "dataset", "task", "study"),
        default="setting",
        help="tests that share one correction; setting = dataset x fraction x arm",
    )
    parser.add_argument("--alpha", type=float, default=0.05, help="level of the corrected P value")
    parser.add_argument("--metrics", nargs="+", default=["f1", "dice"], help="metrics to test (default: f1 dice)")
    args = parser.parse_args(argv)
    if not 0 < args.alpha < 1:
        parser.error(f"--alpha {args.alpha}: expected a number between 0 and 1")
    set_threads(args.threads)

    from scripts.lib.evidence.statistics import significance
    from scripts.lib.evidence.tables import read_table, write_table
    from scripts.lib.study.tables import TRIALS

    table = significance(read_table(args.trials, TRIALS), args.test, args.family, args.alpha, args.metrics)
    with atomic_file(args.out) as path:
        write_table(table, path)


if __name__ == "__main__":
    run(main)
