"""Give every mean of a dataset's trials, and every difference between arms, an interval that counts trials and test films.

    python -m scripts.bootstrap_differences --predictions results/rsna/trials/*/*/trial-*.parquet \\
        --config statistics.yaml --pairs proxy-filtered:original --out differences.csv --means intervals.csv

A study can have more predictions than fit into one command: with --trials, {} in a path stands for each number from 0 on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, progress, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="predictions of trials (.parquet)")
    parser.add_argument("--trials", type=int, help="how many numbers {} in a path stands for; left out = none")
    add_config(parser, "the section statistics")
    parser.add_argument("--pairs", type=_pair, nargs="*", default=[], help="arms to compare beside real: ARM:AGAINST")
    parser.add_argument("--empty-policy", default="exclude", help="what dice counts on films without the structure")
    parser.add_argument("--family", default="setting", help="tests that share one correction: setting or dataset")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draws (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="table of differences (.csv)")
    parser.add_argument("--means", type=Path, required=True, help="table of the cells' means (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.core.seeds import derive_seed, rng
    from scripts.lib.downstream.predictions import read_predictions
    from scripts.lib.downstream.scoring import numbered
    from scripts.lib.evidence.differences import differences, means, with_families
    from scripts.lib.evidence.predicted import gather_predictions
    from scripts.lib.evidence.resampling import resample
    from scripts.lib.evidence.tables import write_table

    paths = args.predictions if args.trials is None else numbered(args.predictions, args.trials)
    predicted = gather_predictions(read_predictions([path]) for path in progress(paths, desc="read"))
    seed = derive_seed(args.seed, "bootstrap", predicted.dataset)
    settings = args.config
    drawn = resample(
        predicted,
        settings["bootstrap"]["draws"],
        rng(seed, "patients"),
        settings["bootstrap"]["metrics"],
        args.empty_policy,
        args.threads,
    )
    table = differences(predicted, drawn, args.pairs, seed)
    table = with_families(table, args.family, settings["metrics"], settings["alpha"])
    with atomic_file(args.out) as path, atomic_file(args.means) as means_path:
        write_table(table, path)
        write_table(means(predicted, drawn, seed), means_path)


def _pair(text: str) -> tuple[str, str]:
    arm, colon, against = text.partition(":")
    if not (arm and colon and against):
        raise argparse.ArgumentTypeError(f"{text}: expected ARM:AGAINST, for example proxy-filtered:original")
    return arm, against


if __name__ == "__main__":
    run(main)
