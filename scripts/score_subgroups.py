"""Score every cell among the test films of one sex, age band, view, or another column of the cohort's index.

    python -m scripts.score_subgroups --config worth.json --cohorts rsna=results/rsna/cohort --out results/tables/subgroups.csv

The settings are those of measure_equivalence.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, progress, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_config(parser, "datasets, trials, seed and statistics")
    parser.add_argument("--cohorts", nargs="+", required=True, help="NAME=FOLDER of each dataset's prepared cohort")
    parser.add_argument("--out", type=Path, required=True, help="table of the study (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.cohort.store import read_index
    from scripts.lib.core.seeds import derive_seed
    from scripts.lib.downstream.data import named_folders
    from scripts.lib.evidence.studied import read_dataset, tested_metrics
    from scripts.lib.evidence.subgroups import subgroups
    from scripts.lib.evidence.tables import write_table

    settings, parts = args.config, []
    statistics, folders = settings["statistics"], named_folders(args.cohorts)
    for entry in progress(settings["datasets"], desc="datasets"):
        predicted, _ = read_dataset(entry, settings["trials"])
        drawing = {
            "seed": derive_seed(settings["seed"], "subgroups", predicted.dataset),
            "draws": statistics["bootstrap"]["draws"],
            "policy": entry["empty_policy"],
            "threads": args.threads,
        }
        index = read_index(folders[entry["name"]])
        metrics = tested_metrics(predicted, statistics)
        parts.append(subgroups(predicted, index, statistics["subgroups"], statistics["age_bands"], metrics, drawing))
    with atomic_file(args.out) as path:
        write_table(pd.concat(parts, ignore_index=True), path, digits=4)


if __name__ == "__main__":
    run(main)
