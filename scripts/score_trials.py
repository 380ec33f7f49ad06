"""Score the predictions of a dataset's trials: thresholds, then one row a metric of each training, in one table.

    python -m scripts.score_trials --predictions 'results/rsna/trials/real/fraction-0.1/trial-{}.parquet' ... --trials 10 \\
        --dataset rsna --cohort results/rsna/cohort --config scoring.json --seed 1 --out results/rsna/trials.csv

No training depends on it: another metric or policy scores the same files anew. A study can have more files than fit into one
command: {} in a path stands for each number from 0 on.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="files of the trials (.parquet)")
    parser.add_argument("--trials", type=int, required=True, help="how many numbers {} in a path stands for")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--films-of", default="", help="dataset whose films its trials have; left out, its own")
    tested = parser.add_mutually_exclusive_group(required=True)
    tested.add_argument("--cohort", type=Path, help="prepared cohort of the dataset, whose test films must be those")
    tested.add_argument(
        "--external", nargs="+", help="NAME=FOLDER of other cohorts: score the same models on their films"
    )
    add_config(parser, "task, target and scoring keys of the section trials")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="table of all trials (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.downstream.data import named_folders
    from scripts.lib.downstream.scoring import numbered, score_file, tested_films
    from scripts.lib.downstream.settings import check_scoring
    from scripts.lib.evidence.tables import in_order, text_table, write_table
    from scripts.lib.study.tables import LABELS, TRIALS

    check_scoring(args.config)
    folders = named_folders(args.external) if args.external else {args.dataset: args.cohort}
    films = {name: tested_films(folder) for name, folder in folders.items()}
    columns = [*TRIALS, *LABELS, *(["tested_on"] if args.external else [])]
    paths = numbered(args.predictions, args.trials)
    parts = [
        text_table(score_file(path, args.config, args.seed, films, bool(args.external), args.films_of), columns, path)
        for path in paths
    ]
    with atomic_file(args.out) as path:
        write_table(in_order(parts), path)


if __name__ == "__main__":
    run(main)
