"""Score the predictions that need no model, all positive and all negative, on a dataset's test films.

    python -m scripts.score_baselines --cohort results/rsna/cohort --config scoring.json --dataset rsna \\
        --out results/rsna/baselines.csv

No model is worth having that does not beat these: with 22.5 % pneumonia, calling every film pneumonia has F1 0.368.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.csv_files import write_csv
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort")
    add_config(parser, "task, target and scoring keys of the section trials")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--out", type=Path, required=True, help="table of the baselines (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.downstream.baselines import baseline_rows
    from scripts.lib.downstream.settings import check_scoring
    from scripts.lib.study.tables import BASELINES, LABELS

    check_scoring(args.config)
    rows = baseline_rows(Cohort.open(args.cohort), args.dataset, args.config)
    write_csv(args.out, rows, [*BASELINES, *LABELS])


if __name__ == "__main__":
    run(main)
