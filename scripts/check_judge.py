"""Hold a judge against the labels of films of split validate, and say whether it may confirm edits of this dataset.

    python -m scripts.check_judge --judge results/judges/vindr-train-labels-blurred --cohort results/children/cohort \\
        --target pneumonia --config edits.json --out results/children/edits/judge.json
"""

from __future__ import annotations

import json
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--judge", type=Path, required=True, help="folder of the judge")
    parser.add_argument("--cohort", type=Path, required=True, help="cohort whose films are edited")
    parser.add_argument("--target", nargs="+", required=True, help="labels that are classes, beside normal")
    add_config(parser, "least, device and precision of the section edits")
    parser.add_argument("--out", type=Path, required=True, help="what was found (.json)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.core.log import log
        from scripts.lib.downstream.judges import open_judge
        from scripts.lib.downstream.predict import place_trial
        from scripts.lib.editing.judging import check, probabilities
        from scripts.lib.editing.subjects import patients_of
        from scripts.lib.training.settings import Section

    settings, placement = Section(args.config, "edits"), place_trial(args.config)
    cohort = Cohort.open(args.cohort)
    rows = cohort.rows(split="validate")
    presence = probabilities(open_judge(args.judge, placement), cohort.images(rows), args.target, placement)
    truth = cohort.index[args.target].iloc[rows].to_numpy(dtype=float, na_value=float("nan"))
    patients = patients_of(cohort)[rows]
    verdict = check(truth, presence, args.target, patients, settings["least"])
    for one in verdict.labels:
        log(f"{one.label}: AUROC {one.auroc:.3f} ({one.low:.3f} to {one.high:.3f}) on {one.n} films of split validate")
    if verdict.refused:
        log(f"the judge is refused: {verdict.refused}")
    with atomic_file(args.out) as path:
        path.write_text(json.dumps(verdict.as_json(), indent=1) + "\n")


if __name__ == "__main__":
    run(main)
