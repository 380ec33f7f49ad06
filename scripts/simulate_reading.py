"""Answer the forms of a reading study in place of radiologists, for a phantom, into the same log that the page writes.

    python -m scripts.simulate_reading --forms results/chestxdet/reading --cohort results/chestxdet/cohort \\
        --config reading.json --seed 1 --out results/chestxdet/reading/simulated.jsonl
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--forms", type=Path, required=True, help="folder of the reading study (sample_reading)")
    parser.add_argument("--cohort", type=Path, required=True, help="cohort with masks whose films of split train the rules learn from")  # fmt: skip
    add_config(parser, "simulation of reading")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="log of answers (.jsonl), made anew")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.feedback.forms.answers import AnswerLog
    from scripts.lib.feedback.forms.folder import read_forms
    from scripts.lib.feedback.forms.reading import reading_evidence
    from scripts.lib.feedback.forms.simulation import simulate, teaching_rows
    from scripts.lib.feedback.log_lines import write_simulated
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "reading")["simulation"]
    forms, assignments, questions = read_forms(args.forms)
    films = Cohort.open(args.cohort)
    films = films.select(teaching_rows(films, settings["films"], args.seed))
    seen = reading_evidence(forms, Cohort.open(args.forms / "pictures"), films)
    answers = list(simulate(forms, assignments, questions, seen, settings, args.seed))
    with atomic_file(args.out) as path:
        write_simulated(AnswerLog, path, answers)
    print(f"{len(answers)} answers of {assignments['rater'].nunique()} simulated readers")


if __name__ == "__main__":
    run(main)
