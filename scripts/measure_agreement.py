"""Measure how far raters agree with each other and with themselves; one table, one table of raters, one figure.

    python -m scripts.measure_agreement --ratings results/feedback/ratings.jsonl --sets results/feedback/sets.parquet \\
        --assignments results/feedback/assignments.parquet --config agreement.json --seed 1 \\
        --out-table results/feedback/agreement.csv --out-raters results/feedback/raters.csv \\
        --out-figure results/feedback/agreement.png
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--ratings", type=Path, required=True, help="the raters' log (.jsonl)")
    parser.add_argument("--sets", type=Path, required=True, help="the sets they rated (.parquet)")
    parser.add_argument("--assignments", type=Path, required=True, help="who rates what (.parquet)")
    add_config(parser, "the agreement (section feedback.agreement)")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out-table", type=Path, required=True, help="agreement by aspect and kind (.csv)")
    parser.add_argument("--out-raters", type=Path, required=True, help="one row a rater (.csv)")
    parser.add_argument("--out-figure", type=Path, required=True, help="the figure (.png)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.core.log import log
    from scripts.lib.feedback.agreement import measure_agreement
    from scripts.lib.feedback.agreement_raters import describe_raters
    from scripts.lib.feedback.log import read_ratings, read_remarks
    from scripts.lib.formats.spreadsheet import inert_table
    from scripts.lib.plotting.agreement import draw_agreement
    from scripts.lib.plotting.style import save
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "agreement")
    sets, assignments = pd.read_parquet(args.sets), pd.read_parquet(args.assignments)
    latest, _, warnings = read_ratings(args.ratings, set(sets["set_id"]), set(assignments["rater"]))
    for warning in warnings:
        log(f"warning: {warning}")
    scored = latest.assign(kind=latest["set_id"].map(sets.set_index("set_id")["kind"].astype(object)))
    remarks = read_remarks(args.ratings, set(sets["set_id"]), set(assignments["rater"]))
    table, raters = measure_agreement(scored, settings["bootstrap"], args.seed), describe_raters(scored, remarks)
    for path, frame in ((args.out_table, table), (args.out_raters, raters)):
        with atomic_file(path) as temporary:
            inert_table(frame).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    save(draw_agreement(table, raters), [args.out_figure])


if __name__ == "__main__":
    run(main)
