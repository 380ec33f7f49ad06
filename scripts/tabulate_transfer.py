"""Tabulate what a dataset's models were trained on against what they were tested on: own films, other cohorts, images.

    python -m scripts.tabulate_transfer --predictions 'results/children/trials/real/fraction-0.1/trial-{}.parquet' ... --trials 2 \\
        --dataset children --config transfer.json --seed 1 --out results/children/transfer.csv

A study can have more predictions than fit into one command: {} in a path stands for each number from 0 on.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="predictions of trials (.parquet)")
    parser.add_argument("--trials", type=int, required=True, help="how many numbers {} in a path stands for")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    add_config(parser, "what arms are trained on, what is tested, metrics and draws")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.core.seeds import derive_seed
    from scripts.lib.downstream.scoring import numbered
    from scripts.lib.evidence.tables import write_table
    from scripts.lib.evidence.transfer import transfer

    paths = numbered(args.predictions, args.trials)
    table = transfer(paths, args.config, derive_seed(args.seed, "bootstrap", args.dataset))
    with atomic_file(args.out) as path:
        write_table(table, path)


if __name__ == "__main__":
    run(main)
