"""Plot Figure 4: sets that were rated, how the generator followed the raters, and what it is worth downstream.

    python -m scripts.plot_figure4 --table results/tables/figure4.csv --ratings results/feedback/ratings.jsonl \\
        --sets results/feedback/sets.parquet --pool results/feedback/pool/shard-0 \\
        --monitor results/generators/dpo/monitor.csv --accuracy results/generators/dpo/accuracy.csv \\
        --config figures.json --out results/figure4.pdf
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.plotting.files import add_figure_files


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--table", type=Path, required=True, help="table of Figure 4 (.csv)")
    parser.add_argument("--ratings", type=Path, required=True, help="log of the ratings (.jsonl)")
    parser.add_argument("--sets", type=Path, required=True, help="table of sets (.parquet)")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the rated pool, in order")
    parser.add_argument("--monitor", type=Path, required=True, help="monitor of the preference tuning (.csv)")
    parser.add_argument("--accuracy", type=Path, required=True, help="what the tuning is worth on sets apart (.csv)")
    add_config(parser, "the section figures")
    add_figure_files(parser)
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.evidence.tables import FIGURE2, read_table
    from scripts.lib.feedback.log import read_ratings
    from scripts.lib.formats.csv_text import read_columns
    from scripts.lib.generators.controlled.preference_report import COLUMNS, NUMBERS, WHOLE
    from scripts.lib.plotting.figure4 import draw_figure4, rated_sets
    from scripts.lib.plotting.style import save

    chosen = args.config["figure4"]
    sets = rated_sets(read_ratings(args.ratings)[0], pd.read_parquet(args.sets), Cohort.open(args.pool), chosen["sets"])
    table = read_table(args.table, FIGURE2, optional=FIGURE2)
    checks = ("implicit_accuracy", "distance")
    monitor = read_columns(args.monitor, ["step", *checks], checks, ["step"])
    accuracy = read_columns(args.accuracy, COLUMNS, NUMBERS, WHOLE, optional=("ci_low", "ci_high"))
    figure = draw_figure4(sets, monitor, accuracy, table, chosen["names"], args.config["width_mm"])
    save(figure, args.out, args.config["dpi"])


if __name__ == "__main__":
    run(main)
