"""Write Table 2: what each arm of masks is worth for each task, beside trivial answers and what AURAD reports.

    python -m scripts.tabulate_table2 --summaries results/chestxdet/summary.csv --intervals results/chestxdet/intervals.csv \\
        --differences results/chestxdet/differences.csv --baselines results/chestxdet/baselines.csv --config figures.json \\
        --out-csv results/table2.csv --out-md results/table2.md
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Write the table twice: for computing and for reading."""
    parser = make_parser(__doc__)
    for name in ("summaries", "intervals", "differences", "baselines"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, help=f"{name} of each dataset (.csv)")
    parser.add_argument("--shares", type=Path, help="what readers said (.csv); left out, nobody has read the images")
    add_config(parser, "the section figures, with the study's datasets")
    parser.add_argument("--out-csv", type=Path, required=True, help="the table (.csv)")
    parser.add_argument("--out-md", type=Path, required=True, help="the same for reading (.md)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.evidence import tables
    from scripts.lib.evidence.differences import read_intervals
    from scripts.lib.evidence.table2 import as_markdown, read_shares, read_summary, table2
    from scripts.lib.study.tables import BASELINES

    ends = [*tables.CELL, *tables.ENDS]
    intervals = [read_intervals(path, ends) for path in args.intervals]
    differences = [read_intervals(path, [*ends, "against", "difference"]) for path in args.differences]
    table = table2(
        pd.concat([read_summary(path) for path in args.summaries], ignore_index=True),
        pd.concat(intervals, ignore_index=True),
        pd.concat(differences, ignore_index=True),
        pd.concat([tables.read_table(path, BASELINES) for path in args.baselines], ignore_index=True),
        read_shares(args.shares) if args.shares else None,
    )
    with atomic_file(args.out_csv) as path:
        tables.write_table(table, path, digits=4)
    titles = {one["name"]: f"{one['title']}, {one['task']}" for one in args.config["datasets"]}
    with atomic_file(args.out_md) as path:
        path.write_text(as_markdown(table, titles, args.config["names"]), encoding="utf-8")


if __name__ == "__main__":
    run(main)
