"""Summarize a dataset's trials: one row a cell and metric, with the trivial baselines and the test beside it.

    python -m scripts.summarize_dataset --trials results/rsna/trials.csv --baselines results/rsna/baselines.csv \\
        --significance results/rsna/significance.csv --out results/rsna/summary.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=Path, required=True, help="collected trials (.csv)")
    parser.add_argument("--baselines", type=Path, required=True, help="trivial baselines (.csv)")
    parser.add_argument("--significance", type=Path, required=True, help="significance table of these trials (.csv)")
    parser.add_argument("--out", type=Path, required=True, help="summary (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence import tables
    from scripts.lib.study.tables import BASELINES, LABELS, TRIALS

    trials = tables.read_table(args.trials, [*TRIALS, *LABELS])
    baselines = tables.read_table(args.baselines, BASELINES)
    tests = tables.read_table(args.significance, tables.SIGNIFICANCE)
    summary = tables.summarize(trials, baselines, tests)
    with atomic_file(args.out) as path:
        tables.write_table(summary, path, digits=4)


if __name__ == "__main__":
    run(main)
