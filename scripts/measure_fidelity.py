"""Measure how near a pool lies to real films, beside how near other real films lie to them (the floor).

    python -m scripts.measure_fidelity --pool results/rsna/pools/original/fraction-0.1/shard-0 --cohort results/rsna/cohort \\
        --networks random --pool-features results/rsna/pools/original/fraction-0.1/features/random-0.npy \\
        --cohort-features results/rsna/features/random.npy --splits train test --dataset rsna --arm original --fraction 0.1 \\
        --config '{"images": 10000, "nearest": 5}' --out fidelity.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool")
    parser.add_argument("--cohort", type=Path, required=True, help="cohort of real films")
    parser.add_argument("--kept", type=Path, help="what a filter kept of the pool (.parquet)")
    parser.add_argument("--networks", nargs="+", required=True, help="names of the networks")
    parser.add_argument(
        "--barred", nargs="*", default=[], help="networks that chose these images or taught their generator"
    )
    parser.add_argument("--pool-features", type=Path, nargs="+", required=True, help="by network, then by shard (.npy)")
    parser.add_argument("--cohort-features", type=Path, nargs="+", required=True, help="by network (.npy)")
    parser.add_argument("--splits", nargs="+", required=True, help="splits of the cohort that images are held against")
    for name in ("dataset", "arm", "fraction"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} of the pool")
    add_config(parser, "section fidelity")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.core.parquet import read_parquet
    from scripts.lib.evidence.tables import write_table
    from scripts.lib.fidelity.chosen import shared_labels
    from scripts.lib.fidelity.table import measure
    from scripts.lib.training.settings import Section

    shards = len(args.pool)
    files = {
        name: (args.pool_features[place * shards : (place + 1) * shards], args.cohort_features[place])
        for place, name in enumerate(args.networks)
    }
    wanted = (shards * len(args.networks), len(args.networks))
    if (given := (len(args.pool_features), len(args.cohort_features))) != wanted:
        raise InputError(
            f"--pool-features, --cohort-features: {given[0]} and {given[1]} files, expected {wanted[0]} and {wanted[1]}, for each network "
            "one a shard and one of the cohort"
        )
    what = ("list of what was kept", "filter the pool anew", ["image_id"])
    kept = None if args.kept is None else read_parquet(args.kept, *what)["image_id"]
    settings = Section({**args.config, "splits": args.splits, "barred": args.barred}, "fidelity")
    cell = {"dataset": args.dataset, "arm": args.arm, "fraction": args.fraction}
    labels = shared_labels(args.pool[0], args.cohort)
    table = measure(args.pool, args.cohort, files, settings, cell, labels, kept)
    with atomic_file(args.out) as path:
        write_table(table, path)


if __name__ == "__main__":
    run(main)
