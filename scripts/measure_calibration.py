"""Measure whether probabilities are right: Brier score, intercept, slope and calibration error of each label and cell.

    python -m scripts.measure_calibration --config worth.json --out results/tables/calibration.csv \\
        --curve results/tables/reliability.csv

The settings are those of measure_equivalence. Datasets whose models predict masks have no rows.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, progress, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_config(parser, "datasets, trials, seed and statistics")
    parser.add_argument("--out", type=Path, required=True, help="table of the study (.csv)")
    parser.add_argument("--curve", type=Path, required=True, help="table of the reliability curves (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    import pandas as pd

    from scripts.lib.core.seeds import derive_seed
    from scripts.lib.evidence.calibration import CALIBRATION, CURVE, calibration, reliability
    from scripts.lib.evidence.studied import read_dataset
    from scripts.lib.evidence.tables import write_table

    settings = args.config
    parts, curves = [pd.DataFrame(columns=CALIBRATION)], [pd.DataFrame(columns=CURVE)]
    for entry in progress(settings["datasets"], desc="datasets"):
        predicted, _ = read_dataset(entry, settings["trials"])
        drawing = {"seed": derive_seed(settings["seed"], "calibration", predicted.dataset)}
        drawing["draws"] = settings["statistics"]["calibration_draws"]
        parts.append(calibration(predicted, drawing))
        curves.append(reliability(predicted))
    for tables, path in ((parts, args.out), (curves, args.curve)):
        filled = [table for table in tables if len(table)] or tables[:1]
        with atomic_file(path) as unfinished:
            write_table(pd.concat(filled, ignore_index=True), unfinished, digits=4)


if __name__ == "__main__":
    run(main)
