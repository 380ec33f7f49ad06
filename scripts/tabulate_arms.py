"""Make the tidy table behind the bars of Figure 3 or 4: real films alone against synthetic arms, in one cell.

    python -m scripts.tabulate_arms --figure figure3 --trials results/tables/figure3_trials.csv --baselines results/chexpert/baselines.csv \\
        --significance results/tables/figure3_significance.csv --config figures.json --out results/tables/figure3.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--figure", choices=["figure3", "figure4"], required=True, help="whose entry of the section")
    parser.add_argument("--trials", type=Path, required=True, help="collected trials of the figure's arms (.csv)")
    parser.add_argument("--baselines", type=Path, required=True, help="trivial baselines of the dataset (.csv)")
    parser.add_argument("--significance", type=Path, required=True, help="significance table of these trials (.csv)")
    add_config(parser, "the section figures, with the study's datasets")
    parser.add_argument("--out", type=Path, required=True, help="table of the bars (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.evidence import tables
    from scripts.lib.study.tables import BASELINES, LABELS, TRIALS

    trials = tables.read_table(args.trials, [*TRIALS, *LABELS])
    baselines = tables.read_table(args.baselines, BASELINES)
    tests = tables.read_table(args.significance, tables.SIGNIFICANCE)
    table = tables.arms_of_cell(trials, baselines, tests, args.config, args.figure)
    with atomic_file(args.out) as path:
        tables.write_table(table, path, digits=4)


if __name__ == "__main__":
    run(main)
