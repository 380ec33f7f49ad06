"""How many steps does real-only training need? Its score on the test films against the budget, at each fraction.

Trains the arm `real` anew for every number of steps (the schedule ends with the budget, so a longer training is no
continuation of a shorter one) on the cohorts of a study that has run, with the settings of config.yaml. Prints, and with
--out writes, one row a trial; then the means, and the smallest budget whose mean no longer one exceeds by --margin.

    snakemake --cores 2 results/{candid,siim,rsna,chexpert}/subsets.parquet results/mgca
    python -m benchmarks.budget --results results --steps 75 150 300 600 --trials 4 --out budget.csv
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.lib.engine.commands import set_threads
from scripts.lib.study import config as study_config

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("dataset", "fraction", "steps", "trial", "n_real", "metric", "value", "seconds")


def settings_of(config: dict[str, Any], dataset: str, results: Path) -> dict[str, Any]:
    """Return a dataset's trial settings, as the workflow hands them to train_trials."""
    settings = study_config.stage(config, "trials", dataset)
    if settings["model"]["weights"] == "mgca":
        settings["model"] = {**settings["model"], "weights": str(results / "mgca")}
    return settings


def measure(config: dict[str, Any], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield one row for each dataset, fraction, budget and trial: the headline score and the seconds of processor time."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.cohort.subsets import draw_ranks
    from scripts.lib.core.seeds import trial_seed
    from scripts.lib.downstream.predict import place_trial
    from scripts.lib.downstream.rows import Setting
    from scripts.lib.downstream.scoring import score_predictions
    from scripts.lib.downstream.trials import run_trial, select_films

    for dataset in options.datasets or config["study"]["datasets"]:
        settings = settings_of(config, dataset, options.results)
        scoring = study_config.stage(config, "score_trials", dataset)
        metric = config["figures"]["metrics"][settings["task"]]
        cohort, seed = Cohort.open(options.results / dataset / "cohort"), config["study"]["seed"]
        subsets = draw_ranks(cohort.index, cohort.labels, options.trials, True, seed, dataset)
        placement = place_trial(settings)
        for fraction in options.fractions or config["study"]["fractions"]:
            for steps in options.steps:
                changed = {**settings, "budget": {**settings["budget"], "kind": "steps", "steps": steps}}
                for trial in range(options.trials):
                    setting = Setting(dataset, "real", fraction, trial, trial_seed(seed, dataset, trial))
                    films = select_films(cohort, subsets, None, setting, changed)
                    start = time.process_time()
                    with tempfile.TemporaryDirectory() as folder:
                        made = run_trial(films, (0,), setting, changed, placement, Path(folder))
                    rows = score_predictions(made, scoring, dataset)
                    value = next(row["value"] for row in rows if row["metric"] == metric)
                    row = (dataset, fraction, steps, trial, len(films.real), metric, value)
                    yield dict(zip(COLUMNS, (*row, round(time.process_time() - start, 2))))


def summary(rows: list[dict[str, Any]], margin: float) -> Iterator[str]:
    """Yield a line for each dataset and fraction: mean and standard error by budget, and where it stops rising."""
    import pandas as pd

    table = pd.DataFrame(rows)
    for (dataset, fraction), here in table.groupby(["dataset", "fraction"], sort=False):
        cells = here.groupby("steps")["value"].agg(["mean", "sem"])
        enough = next(steps for steps in cells.index if cells["mean"][cells.index >= steps].max() <= cells["mean"][steps] + margin)  # fmt: skip
        curve = ", ".join(f"{steps}: {mean:.3f} +- {sem:.3f}" for steps, mean, sem in cells.itertuples())
        yield f"{dataset} at {fraction:g} ({here['metric'].iloc[0]}): {curve}; no longer rises from {enough} steps"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", nargs="+", default=["config.yaml"], help="configuration files, merged in order")
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder with the cohorts")
    parser.add_argument("--datasets", nargs="+", help="left out = those of the study")
    parser.add_argument("--fractions", type=float, nargs="+", help="left out = those of the study")
    parser.add_argument("--steps", type=int, nargs="+", default=[75, 150, 300, 600], help="budgets, ascending")
    parser.add_argument("--trials", type=int, default=4, help="trainings of each budget (default 4)")
    parser.add_argument("--margin", type=float, default=0.01, help="a gain below it is no rise (default 0.01)")
    parser.add_argument("--out", type=Path, help="table of all trainings (.csv), appended to")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    set_threads(options.threads)
    rows, config = [], study_config.load_study(ROOT / path for path in options.config)
    for row in measure(config, options):
        rows.append(row)
        if options.out:
            new = not options.out.exists()
            with options.out.open("a", newline="") as stream:
                writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
                writer.writerows(([dict(zip(COLUMNS, COLUMNS))] if new else []) + [row])
        print(" ".join(str(row[name]) for name in COLUMNS), file=sys.stderr, flush=True)
    print("\n".join(summary(rows, options.margin)))


if __name__ == "__main__":
    main()
