"""Answer the questionnaire of a phantom study in place of radiologists, into the same log that the page writes.

    python -m scripts.simulate_answers --forms results/children/questionnaire --cohort results/children/cohort \\
        --target pneumonia --config questionnaire.json --seed 1 --out results/children/questionnaire/simulated.jsonl
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--forms", type=Path, required=True, help="folder of the questionnaire (draw_forms)")
    parser.add_argument(
        "--cohort", type=Path, required=True, help="cohort whose films of split train the rules learn from"
    )
    parser.add_argument("--target", nargs="+", required=True, help="labels that are classes, beside normal")
    add_config(parser, "simulation of edits.questionnaire")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="log of answers (.jsonl), made anew")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.feedback.forms.answers import AnswerLog
    from scripts.lib.feedback.forms.folder import read_forms
    from scripts.lib.feedback.forms.simulation import evidence, simulate, teaching_rows
    from scripts.lib.feedback.log_lines import write_simulated
    from scripts.lib.generators.conditional.classes import class_names
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "edits.questionnaire")["simulation"]
    forms, assignments, questions = read_forms(args.forms)
    films, names = Cohort.open(args.cohort), class_names(args.target)
    taught = teaching_rows(films, settings["films"], args.seed)
    seen = evidence(forms, Cohort.open(args.forms / "pictures"), films.select(taught), names)
    answers = list(simulate(forms, assignments, questions, seen, settings, args.seed))
    with atomic_file(args.out) as path:
        write_simulated(AnswerLog, path, answers)
    print(f"{len(answers)} answers of {assignments['rater'].nunique()} simulated raters")


if __name__ == "__main__":
    run(main)
