"""Rate the sets of a phantom study in place of radiologists, into the same log that the rating app writes.

    python -m scripts.simulate_ratings --sets results/feedback/sets.parquet \\
        --assignments results/feedback/assignments.parquet --pool results/feedback/pool/shard-0 \\
        --cohorts results/mimic/cohort results/candid/cohort --config simulation.json --seed 1 \\
        --out results/feedback/ratings.jsonl
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--sets", type=Path, required=True, help="table of sets (.parquet)")
    parser.add_argument("--assignments", type=Path, required=True, help="table of who rates what (.parquet)")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the sampled sets, in order")
    parser.add_argument("--cohorts", type=Path, nargs="+", required=True, help="cohorts of the judges and controls")
    add_config(parser, "the simulated raters (section feedback.simulation)")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="log of ratings (.jsonl), made anew")
    parser.add_argument("--out-learned", type=Path, help="list of the films that the judges learn from (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import numpy as np
    import pandas as pd

    from scripts.lib.cohort.learned import films_learned, write_learned
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.feedback.log import RatingLog
    from scripts.lib.feedback.log_lines import write_simulated
    from scripts.lib.feedback.simulation import judge_sets, simulate
    from scripts.lib.feedback.simulation_judges import judge_films, learn_judges
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "simulation")
    sets, assignments = pd.read_parquet(args.sets), pd.read_parquet(args.assignments)
    cohorts = [Cohort.open(folder) for folder in args.cohorts]
    judges = learn_judges(cohorts, sets, settings["judge"], args.seed)
    known = {name: round(judge.known, 3) for name, judge in judges.findings.findings.items()}
    print(f"findings judged, with their AUROC on real films left out one by one: {known}")
    quality = judge_sets(sets, Cohort.open(args.pool), cohorts, judges, settings)
    ratings = list(simulate(sets, assignments, quality, settings, args.seed))
    with atomic_file(args.out) as path:
        write_simulated(RatingLog, path, ratings)
    if args.out_learned:
        taught = judge_films(cohorts, sets, settings["judge"], args.seed)
        write_learned(args.out_learned, [films_learned(part, np.arange(len(part)), "judge") for part in taught])
    print(f"{len(ratings)} ratings of {assignments['rater'].nunique()} simulated raters")


if __name__ == "__main__":
    run(main)
