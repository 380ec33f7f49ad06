"""Train and test the downstream model of one trial, once for each multiplier; writes what it says of each film.

    python -m scripts.train_trials --cohort results/rsna/cohort --subsets results/rsna/subsets.parquet \\
        --pool results/rsna/pools/original/fraction-0.1/shard-0 --config trials.json --dataset rsna --arm original \\
        --fraction 0.1 --trial 0 --multipliers 2 5 10 25 --seed 1 --checkpoint-dir /tmp/trial --out trial-0.parquet

The arm `real` takes no pool and runs multiplier 0; `--control duplicate` takes none either, and the pool of `--control cohort` is
another prepared cohort. An interrupted run goes on where it
was, to the same file.
"""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.study.arms import SOURCES

CONTROLLED = [name for name, source in SOURCES.items() if source.is_control]


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort")
    parser.add_argument("--subsets", type=Path, required=True, help="subsets table of that cohort (.parquet)")
    parser.add_argument("--pool", type=Path, nargs="*", default=[], help="shard folders of the arm's pool, in order")
    parser.add_argument("--kept", type=Path, help="what a filter kept of the pool (.parquet); left out = all of it")
    parser.add_argument("--external", nargs="*", default=[], help="NAME=FOLDER of other cohorts to test on as well")
    parser.add_argument(
        "--images", nargs="*", default=[], help="ARM=FOLDER: shards of images to test on as well, in order"
    )
    parser.add_argument("--images-kept", nargs="*", default=[], help="ARM=FILE: what a filter kept of them (.parquet)")
    parser.add_argument("--images-trial", type=int, help="the trial whose images these are, not the models' own")
    parser.add_argument("--control", choices=CONTROLLED, default="", help="source of an arm without a generator")
    add_config(parser, "the section trials, merged with the dataset's own and the arm's")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--films-of", default="", help="dataset whose cohort and pools these are; left out, its own")
    parser.add_argument("--arm", required=True, help="name of the arm; real = no synthetic films")
    parser.add_argument("--fraction", type=float, required=True, help="share of the real training films")
    parser.add_argument("--trial", type=int, required=True, help="number of the trial, from 0")
    parser.add_argument("--multipliers", type=int, nargs="+", required=True, help="synthetic films per real one")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--note", default="", help="what is to be known of this arm; stands in the note of its rows")
    parser.add_argument("--checkpoint-dir", type=Path, required=True, help="folder for unfinished work")
    parser.add_argument("--out", type=Path, required=True, help="predictions of the trial (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.downstream.settings import check_multipliers, check_settings, check_strong
    from scripts.lib.engine.lean_imports import lean_imports

    args.config = check_settings(args.config)
    if args.control == "augmented":
        check_strong(args.config)
    check_multipliers(args.arm, args.multipliers, bool(args.pool), args.control)
    with lean_imports():
        train(args)
    shutil.rmtree(args.checkpoint_dir, ignore_errors=True)


def train(args: Namespace) -> None:
    """Select the films, train and test each multiplier, write the predictions."""
    import pandas as pd

    from scripts.lib.cohort.store import Cohort, with_films
    from scripts.lib.core.seeds import trial_seed
    from scripts.lib.downstream.added import fitting_multipliers
    from scripts.lib.downstream.data import named_folders
    from scripts.lib.downstream.opening import open_added, open_tested
    from scripts.lib.downstream.predict import place_trial
    from scripts.lib.downstream.predictions import write_predictions
    from scripts.lib.downstream.rows import Setting
    from scripts.lib.downstream.trials import run_trial, select_films

    seed = trial_seed(args.seed, args.films_of or args.dataset, args.trial)
    setting = Setting(args.dataset, args.arm, args.fraction, args.trial, seed)
    cohort = with_films(Cohort.open(args.cohort))
    pool = open_added(args.control, args.pool, args.kept, args.trial, cohort, args.config) if args.pool else None
    others = {name: Cohort.open(folder) for name, folder in named_folders(args.external).items()}
    images = open_tested(args.images, args.images_kept, args.images_trial, args.trial, cohort, args.config)
    films = select_films(
        cohort,
        pd.read_parquet(args.subsets),
        pool,
        setting,
        args.config,
        others,
        args.control,
        images,
    )
    multipliers, left_out = fitting_multipliers(args.control, films.stock, len(films.real), args.multipliers)
    note = "; ".join(filter(None, [args.note, left_out]))
    placement = place_trial(args.config)
    made = run_trial(films, multipliers, setting, args.config, placement, args.checkpoint_dir, note)
    write_predictions(args.out, made)


if __name__ == "__main__":
    run(main)
