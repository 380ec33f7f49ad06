"""Read the log of the questionnaire into two tables: shares of edits beside those of real films, and whether raters agree.

    python -m scripts.tabulate_answers --answers results/children/questionnaire/answers.jsonl \\
        --forms results/children/questionnaire --config questionnaire.json --seed 1 \\
        --out-shares results/children/questionnaire/shares.csv --out-agreement results/children/questionnaire/agreement.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--answers", type=Path, required=True, help="log of answers (.jsonl)")
    parser.add_argument("--forms", type=Path, required=True, help="folder of the questionnaire (draw_forms)")
    add_config(parser, "draws of edits.questionnaire")
    parser.add_argument("--simulated", action="store_true", help="the answers are simulated: the tables say so")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out-shares", type=Path, required=True, help="shares by question, answer and rater (.csv)")
    parser.add_argument("--out-agreement", type=Path, required=True, help="agreement by question (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.core.log import log
    from scripts.lib.feedback.forms.answers import read_answers
    from scripts.lib.feedback.forms.folder import read_forms
    from scripts.lib.feedback.forms.reading import read_told
    from scripts.lib.feedback.forms.shares import agreement, noted, tabulate
    from scripts.lib.formats.spreadsheet import inert_table
    from scripts.lib.training.settings import Section

    draws = Section(args.config, "edits.questionnaire")["draws"]
    forms, assignments, questions = read_forms(args.forms)
    abouts = dict(zip(forms["set_id"], forms["about"]))
    latest, _, warnings = read_answers(args.answers, abouts, questions, set(assignments["rater"]))
    notes = [*warnings, *noted(latest, assignments, abouts, questions, args.simulated)]
    for line in notes:
        log(f"note: {line}")
    told = "; ".join(notes[len(warnings) :] + [f"raters were told: {said}" for said in [read_told(args.forms)] if said])
    tables = tabulate(latest, forms, questions, draws, args.seed), agreement(latest, questions, draws, args.seed, forms)
    for path, table in zip((args.out_shares, args.out_agreement), tables):
        table["note"] = ["; ".join(filter(None, [note, told])) for note in table["note"]]
        with atomic_file(path) as temporary:
            inert_table(table).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n", na_rep="n/a")
    log(f"{len(latest)} answers of {latest['rater'].nunique()} raters")


if __name__ == "__main__":
    run(main)
