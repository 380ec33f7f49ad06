"""Say for each synthetic cell how many real films, alone, would give the same score.

    python -m scripts.measure_equivalence --config worth.json --out results/tables/equivalence.csv

The settings name the predictions of each dataset: {"datasets": [{"name": "rsna", "empty_policy": "exclude", "predictions":
["results/rsna/trials/real/fraction-0.1/trial-{}.parquet", ...]}], "trials": 10, "seed": 1, "statistics": {...}}.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, progress, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_config(parser, "datasets, trials, seed and statistics")
    parser.add_argument("--out", type=Path, required=True, help="table of the study (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.core.seeds import derive_seed, rng
    from scripts.lib.evidence.equivalence import equivalence
    from scripts.lib.evidence.resampling import resample
    from scripts.lib.evidence.studied import read_dataset, tested_metrics
    from scripts.lib.evidence.tables import write_table

    settings, parts = args.config, []
    for entry in progress(settings["datasets"], desc="datasets"):
        predicted, films = read_dataset(entry, settings["trials"])
        seed = derive_seed(settings["seed"], "equivalence", predicted.dataset)
        draws, metrics = settings["statistics"]["bootstrap"]["draws"], tested_metrics(predicted, settings["statistics"])
        drawn = resample(predicted, draws, rng(seed, "patients"), metrics, entry["empty_policy"], args.threads)
        parts.append(equivalence(predicted, drawn, films, seed))
    with atomic_file(args.out) as path:
        write_table(pd.concat(parts, ignore_index=True), path, digits=4)


if __name__ == "__main__":
    run(main)
