"""Let experts vote on the images of a pool, and keep those with enough votes; each expert is validated on real films first.

    python -m scripts.vote_pool --pool results/rsna/pools/mine/fraction-0.1/shard-0 \\
        --expert classifier expert-classifier.parquet results/judges/mimic-train-labels \\
        --expert realism expert-realism.parquet films-realism.parquet \\
        --config '{"need": 1, "must": [], "accept": 0.9, "floor": 0.5, "percentile": 99, "diversity": {"images": 200, "pairs": 500}}' \\
        --dataset rsna --arm mine --fraction 0.1 --seed 1 --votes votes.parquet --validation experts.csv \\
        --acceptance acceptance.csv --agreement agreement.csv --diversity diversity.csv --out voted.parquet
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool, in order")
    parser.add_argument(
        "--expert", nargs=3, action="append", default=[], metavar=("NAME", "IMAGES", "FILMS"),
        help="classifier, segmenter, realism or proxy: what it says of the images, and of real films (.parquet, or a judge)",
    )  # fmt: skip
    parser.add_argument("--structure", default="", help="the structure that the segmenter finds")
    parser.add_argument("--nearest", type=Path, nargs="+", help="expert copy: nearest films of the shards (.parquet)")
    parser.add_argument("--floor", type=Path, help="expert copy: likeness of held-out films and planted copies (.parquet)")  # fmt: skip
    add_config(parser, "section experts, with memorisation.percentile and proxy.diversity")
    for name in ("dataset", "arm", "fraction"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} of the pool")
    parser.add_argument("--votes", type=Path, required=True, help="every vote (.parquet)")
    parser.add_argument("--validation", type=Path, required=True, help="what each expert is worth on real films (.csv)")
    parser.add_argument("--acceptance", type=Path, required=True, help="what each expert accepts (.csv)")
    parser.add_argument("--agreement", type=Path, required=True, help="how far two experts say the same (.csv)")
    parser.add_argument(
        "--diversity", type=Path, required=True, help="how diverse the images are, before and after (.csv)"
    )
    parser.add_argument("--seed", type=int, required=True, help="seed of the study: images whose diversity is compared")
    parser.add_argument("--out", type=Path, required=True, help="kept images (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    if bool(args.nearest) != bool(args.floor):
        raise InputError("--nearest and --floor: the expert copy needs both, or neither")

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.evidence.tables import write_table
    from scripts.lib.fidelity.expert_files import read_copies, read_expert
    from scripts.lib.fidelity.voting import vote_pool
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "experts")
    settings.need("need", "must", "accept", "floor", "diversity")
    pool = Cohort.open(args.pool)
    names = pool.index["image_id"]
    experts = [read_expert(name, Path(images), Path(films), names, args.structure) for name, images, films in args.expert]  # fmt: skip
    if args.nearest:
        experts.append(read_copies(args.nearest, args.floor, names, settings["percentile"]))
    cell = {"dataset": args.dataset, "arm": args.arm, "fraction": args.fraction}
    made = vote_pool(pool, experts, settings, cell, args.seed)
    for name in ("validation", "acceptance", "agreement", "diversity"):
        with atomic_file(getattr(args, name)) as path:
            write_table(made[name], path)
    for name, out in (("votes", args.votes), ("kept", args.out)):
        with atomic_file(out) as path:
            made[name].to_parquet(path, index=False)


if __name__ == "__main__":
    run(main)
