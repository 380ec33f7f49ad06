"""Build the conditions of one dataset, arm and fraction: one row for each synthetic image to make.

    python -m scripts.build_conditions --cohort results/rsna/cohort --subsets results/rsna/subsets.parquet \\
        --config conditions.json --arm original --fraction 0.1 --multiplier 25 --trials 2 --seed 17 \\
        --out results/rsna/conditions/original/fraction-0.1.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort")
    parser.add_argument("--subsets", type=Path, required=True, help="subsets table of the cohort")
    add_config(parser, "the section conditions, merged with the dataset's own, its task and target")
    parser.add_argument("--arm", required=True, help="arm that the images serve; arms share their conditions")
    parser.add_argument("--fraction", type=float, required=True, help="share of the training films, in (0, 1]")
    parser.add_argument("--multiplier", type=int, required=True, help="largest multiplier of the study")
    parser.add_argument("--trials", type=int, required=True, help="number of trials")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--words", action="store_true", help="each mask is told in words, too: all that it shows")
    parser.add_argument("--out", type=Path, required=True, help="conditions table (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.conditions.mask_words import with_words
    from scripts.lib.conditions.table import TableRequest, build_conditions

    cohort = Cohort.open(args.cohort)
    dataset = cohort.meta["dataset"]
    ranks = pd.read_parquet(args.subsets)
    request = TableRequest(dataset, args.fraction, args.multiplier, args.trials, args.seed)
    try:
        table = build_conditions(cohort, ranks, args.config, request)
    except InputError as error:
        raise InputError(f"{dataset}, arm {args.arm}: {error}") from None
    if args.words and cohort.has_masks:
        table = with_words(table, cohort)
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
