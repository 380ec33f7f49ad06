"""Draw the forms of the questionnaire: which films and edits raters are shown, half of them real, and who sees them when.

    python -m scripts.draw_forms --edits results/children/edits/ddpm/shard-0 --cohort results/children/cohort \\
        --target pneumonia --config questionnaire.json --raters ana ben --seed 1 --out results/children/questionnaire
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--edits", type=Path, nargs="+", required=True, help="shards of the edits of one method")
    parser.add_argument("--cohort", type=Path, required=True, help="cohort whose films were edited")
    parser.add_argument("--target", nargs="+", required=True, help="labels that are classes, beside normal")
    add_config(parser, "films, pairs, shared_share, repeat_share and questions of edits.questionnaire")
    parser.add_argument("--raters", nargs="+", required=True, help="names of the raters")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="folder of the questionnaire")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.feedback.assignments import deal_sets
    from scripts.lib.feedback.forms.drawing import draw_forms
    from scripts.lib.feedback.forms.folder import write_forms, write_pictures
    from scripts.lib.feedback.forms.questions import make_questions
    from scripts.lib.generators.conditional.classes import class_names
    from scripts.lib.training.settings import Section

    settings, names = Section(args.config, "edits.questionnaire"), class_names(args.target)
    questions = make_questions(settings["questions"], names)
    cohort = Cohort.open(args.cohort)
    forms, pictures = draw_forms(Cohort.open(args.edits), cohort, names, settings, args.seed)
    assignments = deal_sets(forms, args.raters, {**settings, "images": 1}, args.seed)
    write_pictures(args.out / "pictures", pictures, cohort.resolution)
    write_forms(args.out, forms, assignments, questions)
    kinds = ", ".join(f"{count} {kind}" for kind, count in forms["kind"].value_counts(sort=False).sort_index().items())
    print(f"{len(forms)} forms ({kinds}), {len(assignments)} places to answer")


if __name__ == "__main__":
    run(main)
