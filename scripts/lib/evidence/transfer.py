"""What was trained on against what was tested on: one row a cell, tested films and metric, with an interval of its mean.

The cells are those of a dataset's trials at the largest multiplier of each arm. Films of its own and of other cohorts are the same
for all trials, images are those of another trial, so each trial has its own. The interval is that of intervals.csv
(evidence/bootstrap.py): it counts trials and tested films, and of own films it is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.downstream.metrics import label_scores, overlap_scores
from scripts.lib.downstream.predictions import AGAIN, IMAGES, TEST, TUNING, Predictions, widened
from scripts.lib.evidence.bootstrap import interval
from scripts.lib.evidence.covered import coverage_note
from scripts.lib.evidence.predicted import Member, Predicted, gather_predictions
from scripts.lib.evidence.resampling import SMALLER_IS_BETTER, resample
from scripts.lib.formats.csv_text import read_columns
from scripts.lib.study.tasks import BOXES, MASKS

TRANSFER = [
    *["dataset", "task", "metric", "fraction", "arm", "multiplier", "trained_on", "tested_on", "mean", "low", "high"],
    *["min", "max", "baseline", "n_trials", "n_tested", "n_real", "n_synthetic", "note"],
]
NUMBERS = ("fraction", "mean", "low", "high", "min", "max", "baseline", "n_tested", "n_real", "n_synthetic")
OPTIONAL = NUMBERS[1:7]  # may be n/a
Key = tuple[str, str, str, int]  # tested on, fraction, arm, multiplier


@dataclass(frozen=True)
class Tested:
    """One training on one set of tested films: by metric the score, its draws float (B,), and what a constant answer scores."""

    scores: Mapping[str, float]
    draws: Mapping[str, np.ndarray]
    trivial: Mapping[str, float]
    films: int
    patients: int
    cell: Mapping[str, Any]


def transfer(trials: Iterable[Predictions], settings: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """Return the table (TRANSFER) of one dataset's trials, rows by fraction, arm, tested films and metric in the order of `settings`.

    settings  `arms` {arm: what it is trained on}; `tested` [[split, name, title]]; `metrics`; `draws` of the test patients;
              `empty_policy` of masks; `resolution`, the side of a film in pixels
    seed      of the draws, derive_seed(study seed, "bootstrap", dataset)

    Raises InputError for a trial that was not tested on films that are asked for.
    """
    known: dict[Key, dict[int, Tested]] = defaultdict(dict)
    dataset = task = ""
    for made in trials:
        dataset, task = made.dataset, made.task
        table = widened(made).to_pandas()
        for split, name, title in settings["tested"]:
            if split != IMAGES or _has(table, split, name):
                for multiplier, tested in _of_trial(made, table, (split, name), settings, seed).items():
                    known[title, made.fraction, made.arm, multiplier][made.trial] = tested
    rows = []
    for fraction, arm, multiplier in _largest(known, list(settings["arms"])):
        for _, _, title in settings["tested"]:
            if found := known.get((title, fraction, arm, multiplier)):
                about = {"dataset": dataset, "task": task, "fraction": fraction, "arm": arm, "multiplier": multiplier}
                about |= {"trained_on": settings["arms"][arm], "tested_on": title}
                rows += [about | _row(found, metric, about, seed) for metric in settings["metrics"]]
    return pd.DataFrame(rows, columns=TRANSFER)


def read_transfer(path: Path) -> pd.DataFrame:
    """Read a table of tabulate_transfer, or several collected; a number that could not be had is NaN. Raises InputError as read_columns."""
    return read_columns(path, TRANSFER, NUMBERS, ("multiplier", "n_trials"), (), OPTIONAL)


def _has(table: pd.DataFrame, split: str, name: str) -> bool:
    return bool(((table["split"] == split) & (table["dataset"] == name)).any())


def _of_trial(
    made: Predictions, table: pd.DataFrame, tested: tuple[str, str], settings: Mapping[str, Any], seed: int
) -> dict[int, Tested]:
    """Return {multiplier: its model on one set of films} of a trial. Images of each trial have draws of their own."""
    split, name = tested
    rows = (table["split"] == split) & (table["dataset"] == name)
    if not rows.any():
        raise InputError(f"{made.place}: no row of split {split} of {name}; {AGAIN}")
    chosen = table[rows | (table["split"] == TUNING)].assign(
        split=np.where(rows[rows | (table["split"] == TUNING)], TEST, TUNING), dataset=made.dataset
    )
    predicted = gather_predictions([chosen])
    stream = rng(seed, "patients") if split != IMAGES else rng(seed, "images", name, made.trial)
    drawn = resample(predicted, settings["draws"], stream, settings["metrics"], settings["empty_policy"])
    trivial = trivial_scores(predicted, settings)
    found = {}
    for place, member in enumerate(drawn.members):
        points = {metric: float(values[place]) for metric, values in drawn.points.items()}
        draws = {metric: values[:, place] for metric, values in drawn.draws.items()}
        about = made.cells[member.multiplier]
        found[member.multiplier] = Tested(points, draws, trivial, len(predicted.films), predicted.n_patients, about)
    return found


def trivial_scores(predicted: Predicted, settings: Mapping[str, Any]) -> dict[str, float]:
    """Return by metric the better score of calling everything positive, or nothing; none of boxes, which no constant answer finds."""
    if predicted.says == BOXES:
        return {}
    truth = predicted.truth
    answers: list[Mapping[str, float | None]] = []
    for value in (1, 0):
        if predicted.says == MASKS:
            pixels = np.full(truth.shape, float(settings["resolution"]) ** 2 * value)
            answers.append(overlap_scores(truth * value, pixels, truth, settings["empty_policy"]))
        else:
            answers.append(label_scores(truth, np.full(truth.shape, float(value)), [0.5] * truth.shape[1]))
    best = {}
    for metric in settings["metrics"]:
        scores = [score for one in answers if (score := one.get(metric)) is not None]
        if scores:
            best[metric] = min(scores) if metric in SMALLER_IS_BETTER else max(scores)
    return best


def _largest(known: Mapping[Key, Mapping[int, Tested]], arms: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return (fraction, arm, multiplier) of each arm's largest multiplier that most of its trials have, in order."""
    trials: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for (_, fraction, arm, multiplier), found in known.items():
        trials[fraction, arm][multiplier] = max(len(found), trials[fraction, arm].get(multiplier, 0))
    chosen = []
    for (fraction, arm), counts in trials.items():
        most = max(counts.values())
        chosen.append((fraction, arm, max(multiplier for multiplier, count in counts.items() if count == most)))
    return sorted(chosen, key=lambda cell: (float(cell[0]), arms.index(cell[1])))


def _row(found: Mapping[int, Tested], metric: str, about: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return what a row says of the trials of a cell on one set of films."""
    trials = [found[number] for number in sorted(found)]
    points = np.array([one.scores[metric] for one in trials])
    draws = np.column_stack([one.draws[metric] for one in trials])
    patients = min(one.patients for one in trials)
    cell = Member(about["fraction"], about["arm"], about["multiplier"], 0)[:3]
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
