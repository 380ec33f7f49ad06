"""What was trained on against what was tested on: one row a cell, tested films and metric, with an interval of its mean.

The cells are those of a dataset's trials at the largest multiplier of each arm. Films of its own and of other cohorts are the same
for all trials, images are those of another trial, so each trial has its own. The interval is that of intervals.csv
(evidence/bootstrap.py): it counts trials and tested films, and of own films it is the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.downstream.metrics import constant_scores
from scripts.lib.downstream.predictions import AGAIN, IMAGES, TEST, TUNING, Predictions, open_predictions, widened
from scripts.lib.evidence.bootstrap import interval
from scripts.lib.evidence.covered import coverage_note
from scripts.lib.evidence.predicted import Cell, Predicted, gather_predictions
from scripts.lib.evidence.resampling import SMALLER_IS_BETTER, resample
from scripts.lib.formats.csv_text import read_columns
from scripts.lib.study.tasks import BOXES, MASKS

TRANSFER = [
    *["dataset", "task", "metric", "fraction", "arm", "multiplier", "trained_on", "tested_on", "mean", "low", "high"],
    *["min", "max", "baseline", "n_trials", "n_tested", "n_real", "n_synthetic", "note"],
]
NUMBERS = ("fraction", "mean", "low", "high", "min", "max", "baseline", "n_tested", "n_real", "n_synthetic")
OPTIONAL = NUMBERS[1:7]  # may be n/a


@dataclass(frozen=True)
class Tested:
    """One training on one set of tested films: by metric the score, its draws float (B,), and what a constant answer scores."""

    scores: Mapping[str, float]
    draws: Mapping[str, np.ndarray]
    trivial: Mapping[str, float]
    films: int
    patients: int
    cell: Mapping[str, Any]


def transfer(paths: Sequence[Path], settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Return the table (TRANSFER) of one dataset's trials, rows by fraction, arm, tested films and metric in the order of `settings`.

    settings  `arms` {arm: what it is trained on}; `tested` [[split, name, title]]; `metrics`; `draws` of the test patients;
              `empty_policy` of masks; `resolution`, the side of a film in pixels
    seed      of the draws, derive_seed(study seed, "bootstrap", dataset)

    Raises InputError for a trial that was not tested on films that are asked for.
    """
    largest = largest_multipliers(map(open_predictions, paths))
    known: dict[Cell, dict[str, dict[int, Tested]]] = {(*key, most): defaultdict(dict) for key, most in largest.items()}
    dataset = task = ""
    for made in map(open_predictions, paths):
        dataset, task, most = made.dataset, made.task, largest[made.fraction, made.arm]
        table = widened(made).to_pandas()
        table = table[table["multiplier"] == most]
        for split, name, title in settings["tested"] if len(table) else ():
            rows = table[(table["split"] == split) & (table["dataset"] == name)]
            if split == IMAGES and rows.empty:  # at a fraction where the arm has no images
                continue
            tested = _of_trial(made, rows, table[table["split"] == TUNING], (split, name), settings, seed)
            known[made.fraction, made.arm, most][title][made.trial] = tested
    found = []
    arms = list(settings["arms"])
    for cell in sorted(known, key=lambda cell: (float(cell[0]), arms.index(cell[1]))):
        about = {"dataset": dataset, "task": task, "fraction": cell[0], "arm": cell[1], "multiplier": cell[2]}
        for title, trials in known[cell].items():
            words = {"trained_on": settings["arms"][cell[1]], "tested_on": title}
            found += [about | words | _row(trials, metric, cell, seed) for metric in settings["metrics"]]
    return pd.DataFrame(found, columns=TRANSFER)


def read_transfer(path: Path) -> pd.DataFrame:
    """Read a table of tabulate_transfer, or several collected; a number that could not be had is NaN. Raises InputError as read_columns."""
    return read_columns(path, TRANSFER, NUMBERS, ("multiplier", "n_trials"), (), OPTIONAL)


def largest_multipliers(trials: Iterable[Predictions]) -> dict[tuple[str, str], int]:
    """Return {(fraction, arm): the largest multiplier}: of those that most of its trials have, as a trial may find too few films."""
    counts: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for made in trials:
        counts[made.fraction, made.arm].update(made.cells.keys())
    return {cell: max((count, multiplier) for multiplier, count in of.items())[1] for cell, of in counts.items()}


def _of_trial(
    made: Predictions,
    rows: pd.DataFrame,
    tuning: pd.DataFrame,
    tested: tuple[str, str],
    settings: Mapping[str, Any],
    seed: int,
) -> Tested:
    """Return one model on the films or images of `rows`. Images, which are each trial's own, have draws of their own."""
    split, name = tested
    if rows.empty:
        raise InputError(f"{made.place}: no row of split {split} of {name}; {AGAIN}")
    whole = pd.concat([rows.assign(split=TEST, dataset=made.dataset), tuning], ignore_index=True)
    predicted = gather_predictions([whole])
    stream = rng(seed, "patients") if split != IMAGES else rng(seed, "images", name, made.trial)
    drawn = resample(predicted, settings["draws"], stream, settings["metrics"], settings["empty_policy"])
    points = {metric: float(values[0]) for metric, values in drawn.points.items()}
    draws = {metric: values[:, 0] for metric, values in drawn.draws.items()}
    cell = made.cells[drawn.members[0].multiplier]
    return Tested(points, draws, trivial_scores(predicted, settings), len(predicted.films), predicted.n_patients, cell)


def trivial_scores(predicted: Predicted, settings: Mapping[str, Any]) -> dict[str, float]:
    """Return by metric the better score of calling everything positive, or nothing; none of boxes, which no constant answer finds."""
    if predicted.says == BOXES:
        return {}
    masks = (settings["resolution"], settings["empty_policy"]) if predicted.says == MASKS else ()
    answers = [constant_scores(predicted.truth, value, *masks) for value in (1, 0)]
    best = {}
    for metric in settings["metrics"]:
        scores = [score for one in answers if (score := one.get(metric)) is not None]
        if scores:
            best[metric] = min(scores) if metric in SMALLER_IS_BETTER else max(scores)
    return best


def _row(found: Mapping[int, Tested], metric: str, cell: Cell, seed: int) -> dict[str, Any]:
    """Return what a row says of the trials of a cell on one set of films."""
    trials = [found[number] for number in sorted(found)]
    points = np.array([one.scores[metric] for one in trials])
    draws = np.column_stack([one.draws[metric] for one in trials])
    patients = min(one.patients for one in trials)
    estimate = interval(points, draws, patients, rng(seed, *cell), (0.0, 1.0), metric in SMALLER_IS_BETTER)
    notes = [*dict.fromkeys(one.cell["note"] for one in trials), estimate.note]
    if not np.isnan(estimate.low):
        notes.append("one trial: the interval counts tested films alone" if len(trials) == 1 else "")
        notes.append(coverage_note(len(trials), min(one.films for one in trials)))
    known = points[~np.isnan(points)]
    return {
        "metric": metric,
        "mean": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "min": known.min() if len(known) else np.nan,
        "max": known.max() if len(known) else np.nan,
        "baseline": float(np.mean([one.trivial.get(metric, np.nan) for one in trials])),
        "n_trials": len(trials),
        "n_tested": float(np.mean([one.films for one in trials])),
        "n_real": float(np.mean([one.cell["n_real"] for one in trials])),
        "n_synthetic": float(np.mean([one.cell["n_synthetic"] for one in trials])),
        "note": "; ".join(dict.fromkeys(filter(None, notes))),
    }
