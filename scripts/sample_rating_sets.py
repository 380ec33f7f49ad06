"""Draw the sets that radiologists rate: what each of the four images is made from, and who sees which, in which order.

    python -m scripts.sample_rating_sets --captions results/feedback/captions.parquet \\
        --cohorts results/mimic/cohort results/candid/cohort --config sets.json --raters ana ben --seed 1 \\
        --out-conditions results/feedback/conditions.parquet --out-sets results/feedback/sets.parquet \\
        --out-assignments results/feedback/assignments.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--captions", type=Path, required=True, help="captions of held-out films (.parquet)")
    parser.add_argument("--cohorts", type=Path, nargs="+", required=True, help="the cohorts of the captions")
    add_config(parser, "the sets (section feedback.sets, with splits = feedback.splits)")
    parser.add_argument("--raters", nargs="+", required=True, help="names of the raters")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out-conditions", type=Path, required=True, help="conditions table to sample (.parquet)")
    parser.add_argument("--out-sets", type=Path, required=True, help="table of sets (.parquet)")
    parser.add_argument("--out-assignments", type=Path, required=True, help="table of who rates what (.parquet)")
    parser.add_argument("--out-learned", type=Path, help="list of the films behind the rated images (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.learned import films_learned, write_learned
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.core.phantom import with_origin
    from scripts.lib.feedback.assignments import deal_sets
    from scripts.lib.feedback.sets import draw_sets, films_behind
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "sets")
    cohorts = [Cohort.open(folder) for folder in args.cohorts]
    captions = pd.read_parquet(args.captions)
    conditions, sets = draw_sets(captions, cohorts, settings, args.seed)
    assignments = deal_sets(sets, args.raters, settings, args.seed)
    for table, out in (
        (conditions, args.out_conditions),
        (with_origin(sets), args.out_sets),
        (assignments, args.out_assignments),
    ):
        with atomic_file(out) as path:
            table.to_parquet(path, index=False)
    if args.out_learned:
        behind = films_behind(captions, cohorts, sets)
        write_learned(args.out_learned, [films_learned(*part, "raters") for part in zip(cohorts, behind)])
    print(f"{len(sets)} sets ({dict(sets['kind'].value_counts())}), {len(assignments)} places to rate")


if __name__ == "__main__":
    run(main)
