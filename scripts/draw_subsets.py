"""Draw the nested training subsets of a cohort: one rank per trial and patient.

    python -m scripts.draw_subsets --cohort results/rsna/cohort --config '{"per_trial": true}' --trials 2 --seed 17 \\
        --out results/rsna/subsets.parquet

The subset of trial t at fraction f is the rows of trial t with rank < f. The file's metadata hold the SHA-256 of the
cohort's tables, so it changes with every film, also where the ranks stay: a trial that reads it need not name the cohort.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort")
    add_config(parser, "the section subsets")
    parser.add_argument("--trials", type=int, required=True, help="number of trials")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="subsets table (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.cohort.subsets import cohort_digest, draw_ranks

    cohort = Cohort.open(args.cohort)
    table = draw_ranks(
        cohort.index, cohort.labels, args.trials, args.config["per_trial"], args.seed, cohort.meta["dataset"]
    )
    table.attrs["cohort_sha256"] = cohort_digest(args.cohort)
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
