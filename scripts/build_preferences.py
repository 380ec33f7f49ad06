"""Turn ratings into pairs of a preferred and another image of the same set, split into three parts by set.

    python -m scripts.build_preferences --ratings results/feedback/ratings.jsonl --sets results/feedback/sets.parquet \\
        --assignments results/feedback/assignments.parquet --config preferences.json --seed 1 \\
        --out-train results/feedback/preferences-train.jsonl --out-heldout results/feedback/preferences-heldout.jsonl \\
        --out-report results/feedback/preferences-report.jsonl
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run
from scripts.lib.training.settings import Section


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--ratings", type=Path, required=True, help="the raters' log (.jsonl)")
    parser.add_argument("--sets", type=Path, required=True, help="the sets they rated (.parquet)")
    parser.add_argument("--assignments", type=Path, required=True, help="who rates what (.parquet)")
    add_config(parser, "the pairs (section feedback.preferences)")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out-train", type=Path, required=True, help="pairs to learn from (.jsonl)")
    parser.add_argument("--out-heldout", type=Path, required=True, help="pairs that choose the step (.jsonl)")
    parser.add_argument("--out-report", type=Path, required=True, help="pairs that are reported on (.jsonl)")
    args = parser.parse_args(argv)

    import pandas as pd

    from scripts.lib.core.log import log
    from scripts.lib.feedback.log import read_ratings
    from scripts.lib.feedback.preferences import build_pairs, count_partial, split_parts, write_pairs

    settings = Section(args.config, "preferences")
    sets, assignments = pd.read_parquet(args.sets), pd.read_parquet(args.assignments)
    latest, _, warnings = read_ratings(args.ratings, set(sets["set_id"]), set(assignments["rater"]))
    for warning in warnings:
        log(f"warning: {warning}")
    partial, readings = count_partial(latest, sets)
    log(
        f"{readings} readings of a set by a rater, {partial} of them without some score: there an image counts only against "
        "those that the same reading has scored"
    )
    pairs = build_pairs(latest, sets, settings)
    parts = split_parts(pairs, settings["heldout"], settings["report"], args.seed)
    for path, part in zip((args.out_train, args.out_heldout, args.out_report), parts):
        with atomic_file(path) as temporary:
            write_pairs(temporary, part)
        log(f"{path}: {len(part)} pairs of {len({pair['set_id'] for pair in part})} sets")
    if not pairs:
        log(
            "no pairs: every score of a set ties with the others, or nothing is rated; the files are empty, and train_dpo "
            "will say so"
        )


if __name__ == "__main__":
    run(main)
