"""Build the table of masks to make for one dataset, arm and fraction: what the films of each trial show, asked for in turn.

    python -m scripts.build_mask_conditions --cohort results/chestxdet/cohort --subsets results/chestxdet/subsets.parquet \\
        --config conditions.json --fraction 0.1 --multiplier 10 --trials 2 --seed 1 --out conditions.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Write the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort with masks")
    parser.add_argument("--subsets", type=Path, required=True, help="subsets table of the cohort")
    add_config(parser, "the section conditions, merged with what the trials set aside")
    parser.add_argument("--fraction", type=float, required=True, help="share of the training films, in (0, 1]")
    parser.add_argument("--multiplier", type=int, required=True, help="largest multiplier of the study")
    parser.add_argument("--trials", type=int, required=True, help="number of trials")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="table (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.conditions.mask_table import build_mask_table
    from scripts.lib.conditions.table import TableRequest

    cohort = Cohort.open(args.cohort)
    request = TableRequest(cohort.meta["dataset"], args.fraction, args.multiplier, args.trials, args.seed)
    table = build_mask_table(cohort, pd.read_parquet(args.subsets), args.config, request)
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
