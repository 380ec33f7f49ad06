"""Make the synthetic images of one shard of a conditions table; the result has the form of a cohort.

An image's pixels depend on the study seed, the generator, its condition and repeat, not on the shard, its neighbours or
a restart. Finished batches are kept below results/checkpoints until the shard is written, so a killed one goes on.

    python -m scripts.sample_pool --generator results/generators/controlnet \\
        --conditions results/rsna/conditions/original/fraction-0.1.parquet --cohort results/rsna/cohort \\
        --config sampling.json --seed 1 --shard 0 --shards 2 --out results/rsna/pools/original/fraction-0.1/shard-0
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from scripts.lib.core.seeds import content_hash
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity

CHECKPOINTS = Path("results/checkpoints/sample_pool")


def main(argv: list[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.generators.kinds import open_kind
        from scripts.lib.generators.shards import Parts, open_conditions, write_shard
        from scripts.lib.generators.solving import Sampler

        make_model = open_kind(args.generator)
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "sampling")
    conditions, rows = open_conditions(args.conditions, Cohort.open(args.cohort), args.shard, args.shards)
    model = make_model(conditions.cohort.structures, settings)
    sampler = Sampler(model, settings, args.seed)
    chosen = conditions.table
    model.warn_about(list(chosen["prompt"].dropna().unique()))
    identity = resume_identity(
        "sample_pool",
        args.config,
        model.fingerprint,
        model.lineage,
        args.seed,
        conditions.cohort.resolution,
        *(chosen["condition_id"] + "-" + chosen["sample"].astype(str)),
    )
    folder = args.checkpoint_dir or CHECKPOINTS / content_hash(args.out)
    parts = Parts(folder, identity)
    notes = {
        "dataset": conditions.cohort.meta.get("dataset"),
        "generator": model.fingerprint,
        "sampling": args.config,
        "seed": args.seed,
        "shard": [args.shard, args.shards],
        "device": str(model.device),
    }
    write_shard(args.out, sampler, conditions, rows, settings["save_every"], parts, notes)
    parts.clear()


def _parser() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--generator", type=Path, required=True, help="folder of a generator, of any kind")
    parser.add_argument("--conditions", type=Path, required=True, help="conditions table (.parquet)")
    parser.add_argument(
        "--cohort",
        type=Path,
        nargs="+",
        required=True,
        help="prepared cohort, or shards of a mask pool, that masks come from",
    )
    add_config(parser, "sampling (section sampling)")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--shard", type=int, default=0, help="number of this shard, from 0 (default 0)")
    parser.add_argument("--shards", type=int, default=1, help="number of shards (default 1)")
    parser.add_argument("--checkpoint-dir", type=Path, help=f"folder of finished batches (default below {CHECKPOINTS})")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shard")
    return parser


if __name__ == "__main__":
    run(main)
