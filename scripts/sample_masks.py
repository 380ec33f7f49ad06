"""Make the masks of one shard of a table of masks; the result has the form of a cohort, of kind masks.

A mask depends on the study seed, the generator, its condition and repeat, not on the shard or its neighbours. `--kind shuffled`
makes the control instead: real anatomy with the findings of other patients.

    python -m scripts.sample_masks --generator results/generators/masks --kind generated --conditions conditions.parquet \\
        --cohort results/chestxdet/cohort --subsets results/chestxdet/subsets.parquet --fraction 0.1 --config masks.json \\
        --seed 1 --shard 0 --shards 1 --out shard-0
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Make one shard."""
    args = _parser().parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        import pandas as pd

        from scripts.lib.cohort.store import Cohort
        from scripts.lib.generators.masks.network import open_masks
        from scripts.lib.generators.masks.pool import write_mask_shard
        from scripts.lib.generators.masks.sampling import draw_masks, shuffle_masks
        from scripts.lib.generators.shards import shard_rows
        from scripts.lib.training.settings import Section

    cohort = Cohort.open(args.cohort)
    table = pd.read_parquet(args.conditions)
    table = table.iloc[shard_rows(len(table), args.shard, args.shards)].reset_index(drop=True)
    made = open_masks(args.generator)
    if tuple(cohort.structures) != made.code.structures or cohort.resolution != made.code.resolution:
        raise InputError(
            f"{args.generator}: makes {', '.join(made.code.structures)} at {made.code.resolution} pixels, but {args.cohort} has "
            f"{', '.join(cohort.structures)} at {cohort.resolution}; give both the same structures"
        )
    if args.kind == "generated":
        masks = draw_masks(made, table, Section(args.config["sampling"], "masks.sampling"), args.seed)
    else:
        subset = (pd.read_parquet(args.subsets), args.config, cohort.meta["dataset"], args.fraction)
        masks = shuffle_masks(cohort, table, subset, made, args.seed)
    notes = {
        "dataset": cohort.meta.get("dataset"),
        "generator": made.fingerprint if args.kind == "generated" else "",
        "masks": args.kind,
        "seed": args.seed,
        "shard": [args.shard, args.shards],
    }
    write_mask_shard(args.out, cohort, table, masks, made.notes["least"], notes)


def _parser() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--generator", type=Path, required=True, help="folder of the mask generator")
    parser.add_argument("--kind", choices=("generated", "shuffled"), required=True, help="which masks to make")
    parser.add_argument("--conditions", type=Path, required=True, help="table of masks (.parquet)")
    parser.add_argument(
        "--cohort", type=Path, required=True, help="prepared cohort, whose structures and labels they have"
    )
    parser.add_argument("--subsets", type=Path, required=True, help="subsets table of the cohort")
    parser.add_argument("--fraction", type=float, required=True, help="share of the training films, in (0, 1]")
    add_config(parser, "sampling, validation_share and validation_patients")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--shard", type=int, default=0, help="number of this shard, from 0 (default 0)")
    parser.add_argument("--shards", type=int, default=1, help="number of shards (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shard")
    return parser


if __name__ == "__main__":
    run(main)
