"""Make the tidy table behind the bars of Figure 5: all arms of masks beside the real films, a panel a dataset.

    python -m scripts.tabulate_figure5 --trials results/chestxdet/trials.csv --baselines results/chestxdet/baselines.csv \\
        --significance results/chestxdet/significance.csv --intervals results/chestxdet/intervals.csv --config figures.json \\
        --out results/tables/figure5.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Write the table."""
    parser = make_parser(__doc__)
    for name in ("trials", "baselines", "significance", "intervals"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, help=f"{name} of each dataset (.csv)")
    add_config(parser, "the section figures, with the study's datasets, and `arms`")
    parser.add_argument("--out", type=Path, required=True, help="table of the bars (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.evidence import tables
    from scripts.lib.evidence.differences import read_intervals
    from scripts.lib.evidence.table2 import arm_bars
    from scripts.lib.study.tables import BASELINES, LABELS, TRIALS

    def whole(paths: list[Path], columns: list[str]) -> pd.DataFrame:
        return pd.concat([tables.read_table(path, columns) for path in paths], ignore_index=True)

    intervals = [read_intervals(path, [*tables.CELL, *tables.ENDS]) for path in args.intervals]
    table = arm_bars(
        whole(args.trials, [*TRIALS, *LABELS]),
        whole(args.baselines, BASELINES),
        whole(args.significance, tables.SIGNIFICANCE),
        pd.concat(intervals, ignore_index=True),
        args.config,
    )
    with atomic_file(args.out) as path:
        tables.write_table(table, path, digits=4)


if __name__ == "__main__":
    run(main)
