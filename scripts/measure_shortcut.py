"""Say whether a model may learn from a training set what is a film and what an image, instead of the label.

    python -m scripts.measure_shortcut --pool results/rsna/pools/original/fraction-0.1/shard-0 --cohort results/rsna/cohort \\
        --subsets results/rsna/subsets.parquet --labels pneumonia --multipliers 2 5 --trials 2 --network random \\
        --pool-features random-0.npy --cohort-features results/rsna/features/random.npy --splits train test \\
        --dataset rsna --arm original --fraction 0.1 --out shortcut.csv
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.core.log import log
    from scripts.lib.core.parquet import read_parquet
    from scripts.lib.evidence.shortcut import information_row, mixtures, no_label_row, source_rows, table
    from scripts.lib.evidence.tables import write_table
    from scripts.lib.fidelity.chosen import shared_labels
    from scripts.lib.filters.kept_view import open_kept

    labels = [label for label in shared_labels(args.pool[0], args.cohort) if label in args.labels]
    cohort, subsets = Cohort.open(args.cohort), read_parquet(args.subsets, "table of subsets", "draw the subsets anew")
    pool = Cohort.open(args.pool) if args.kept is None else open_kept(args.pool, args.kept)
    rows = [
        information_row(
            mixtures(cohort, subsets, pool, label, float(args.fraction), multiplier, args.trials), label, multiplier
        )
        for label in labels
        for multiplier in args.multipliers
    ]
    kept = None if args.kept is None else pool.index["image_id"]
    features = (args.pool_features, args.cohort_features)
    rows += source_rows(args.pool, args.cohort, features, labels, args.splits, kept, args.network)
    evidence = table(
        rows or [no_label_row(args.labels)], {"dataset": args.dataset, "arm": args.arm, "fraction": args.fraction}
    )
    for note in dict.fromkeys(filter(None, evidence["note"])):
        log(f"{args.dataset} {args.arm} at {args.fraction}: {note}")
    with atomic_file(args.out) as path:
        write_table(evidence, path)


def _parser() -> ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the pool")
    parser.add_argument("--cohort", type=Path, required=True, help="cohort of real films")
    parser.add_argument("--subsets", type=Path, required=True, help="subsets table of that cohort (.parquet)")
    parser.add_argument("--kept", type=Path, help="what a filter kept of the pool (.parquet)")
    parser.add_argument("--labels", nargs="+", required=True, help="labels that trials learn")
    parser.add_argument("--multipliers", type=int, nargs="+", required=True, help="images per real film")
    parser.add_argument("--trials", type=int, required=True, help="number of trials")
    parser.add_argument("--network", required=True, help="network whose features the classifier of the source sees")
    parser.add_argument("--pool-features", type=Path, nargs="+", required=True, help="of the shards, in order (.npy)")
    parser.add_argument("--cohort-features", type=Path, required=True, help="of the cohort (.npy)")
    parser.add_argument("--splits", nargs="+", required=True, help="splits of the cohort that images are told from")
    for name in ("dataset", "arm", "fraction"):
        parser.add_argument(f"--{name}", required=True, help=f"{name} of the pool")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    return parser


if __name__ == "__main__":
    run(main)
