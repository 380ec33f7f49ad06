"""Train a judge of images on real films alone, and let it look at films held out.

    python -m scripts.train_judge --cohort results/mimic/cohort --split train --config judge.json --seed 1 \\
        --checkpoint-dir results/checkpoints/train_judge/mimic-train-labels --out results/judges/mimic-train-labels

Without `--structure` it tells the labels of the cohort apart, with it it finds the masks of one structure.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.seeds import derive_seed
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.options import add_training


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort")
    parser.add_argument("--split", required=True, help="split whose films teach it; never test")
    parser.add_argument("--structure", default="", help="structure that it finds; left out = labels")
    add_config(parser, "a trial's settings, with films and held_out of faithfulness.judge, and edits.blur")
    add_training(parser, "the judge")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.cohort.learned import films_learned, write_learned
        from scripts.lib.cohort.store import Cohort
        from scripts.lib.core.log import log
        from scripts.lib.core.stop_requests import stop_requests
        from scripts.lib.downstream import judges
        from scripts.lib.downstream.blurred import blurred
        from scripts.lib.downstream.judged import findings
        from scripts.lib.downstream.predict import place_trial
        from scripts.lib.training.checkpoints import Checkpoints, publish
        from scripts.lib.training.identity import resume_identity

        cohort = Cohort.open(args.cohort)
        kind = judges.STRUCTURE if args.structure else judges.LABELS
        rows = judges.judge_rows(cohort, args.split, kind, args.config["films"])
        learned, held = judges.held_out(cohort, rows, args.config["held_out"])
        names = [args.structure] if args.structure else judges.told_labels(cohort, learned)
        films = blurred(judges.films_for(cohort, learned, kind, names), args.config.get("blur", 0.0))
        placement, seed = place_trial(args.config), derive_seed(args.seed, "judge", args.out.name) % 2**31
        identity = resume_identity("train_judge", args.config, films.digest(), seed)
        checkpoints = Checkpoints(args.checkpoint_dir, identity, args.config["checkpoint_seconds"])
        with stop_requests() as asked:
            model = judges.train_judge(films, args.config, placement, seed, checkpoints, asked)
        judge = judges.Judge(model, names, args.config, cohort.resolution)
        found = findings(judge, cohort, held, names, placement, "patient_id")
        with publish(args.out, placement, checkpoints) as folder:
            if folder:
                judges.write_judge(folder, judge, {"seed": seed, "films": len(learned), "held_out": len(held)})
                found.to_parquet(folder / judges.HELD, index=False)
                write_learned(
                    folder, [films_learned(cohort, learned, "judge"), films_learned(cohort, held, "thresholds")]
                )
        log(f"{args.out.name}: learned {', '.join(names)} from {len(learned)} films; {len(held)} films held out")


if __name__ == "__main__":
    run(main)
