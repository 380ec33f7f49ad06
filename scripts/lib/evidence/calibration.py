"""Are the probabilities right? Brier score, calibration intercept and slope, expected calibration error, with intervals.

Intercept and slope are those of Van Calster et al. 2019 (BMC Medicine 17:230): the intercept of a logistic model with the logit of the score
as offset (0 is right, below 0 the scores are too high on the whole), and the slope of that logit (1 is right, below 1 the scores
are too extreme). The calibration error compares scores with shares in ten bins of equal width (Guo et al. 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from scripts.lib.core.seeds import rng
from scripts.lib.evidence.bootstrap import Interval, interval
from scripts.lib.evidence.differences import ordered_cells
from scripts.lib.evidence.predicted import Cell, Member, Predicted
from scripts.lib.evidence.resampling import draw_weights
from scripts.lib.formats.csv_text import read_columns
from scripts.lib.study.tasks import LABELS

MEASURES = ("brier", "intercept", "slope", "ece")
BOUNDS = {"brier": (0.0, 1.0), "ece": (0.0, 1.0), "intercept": (-np.inf, np.inf), "slope": (-np.inf, np.inf)}
BINS = 10
CLIP = 1e-6  # scores of 0 and 1 have no logit
ROUNDS, STEP, STILL = 100, 1.0, 1e-8  # of Newton's method
FARTHEST = 30.0  # a slope or an intercept beyond this is none: the scores separate the classes
CELL = ["dataset", "task", "label", "fraction", "arm", "multiplier"]
CALIBRATION = [
    *CELL, "measure", "value", "low", "high", "n_trials", "n_patients", "n_films", "n_positives", "note",
]  # fmt: skip
CURVE = [*CELL, "bin", "mean_score", "share", "low", "high", "n"]


@dataclass(frozen=True)
class _Films:
    """The test films whose truth of one label is known: patients (n,), truth bool (n,), scores of each trial (n,)."""

    patients: np.ndarray
    truth: np.ndarray
    scores: list[np.ndarray]


def calibration(predicted: Predicted, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row (CALIBRATION) a label, cell and measure; of masks, which have no probability, none.

    settings  {draws, seed}

    A value is the mean of the trials; its interval counts trials and test patients. NaN where it does not exist, and the note
    says why.
    """
    rows: list[dict[str, Any]] = []
    for label, cell, films, trials in _cells(predicted):
        stream = (settings["seed"], "calibration", label, *cell)
        about = {**_about(predicted, label, cell), **_counts(films, trials)}
        why = _undefined(films)
        parts = np.unique(films.patients, return_inverse=True)
        drawn: dict[str, np.ndarray] = {}
        if not why:
            drawn = _drawn(films, parts[1], len(parts[0]), settings["draws"], rng(*stream))
        for measure in MEASURES:
            estimate = Interval(np.nan, note=why)
            if not why:
                points = np.array([float(measures_of(films.truth, one)[measure][0]) for one in films.scores])
                estimate = interval(points, drawn[measure], len(parts[0]), rng(*stream, measure), BOUNDS[measure])
                if np.isnan(estimate.value) and measure in ("intercept", "slope"):
                    estimate = Interval(np.nan, note="the scores separate the classes, or are all alike: there is none")
            rows.append({**about, "measure": measure, "value": estimate.value, "low": estimate.low, "high": estimate.high, "note": estimate.note})  # fmt: skip
    return pd.DataFrame(rows, columns=CALIBRATION)


def reliability(predicted: Predicted) -> pd.DataFrame:
    """Return one row (CURVE) a label, cell and bin that holds a film, all trials together.

    `low` and `high` are Wilson's 95 % interval of the share of positive films; each film counts once a trial in `n`, and once in
    the interval.
    """
    rows: list[dict[str, Any]] = []
    for label, cell, films, _ in _cells(predicted):
        scores = np.concatenate(films.scores)
        truth = np.tile(films.truth, len(films.scores))
        place = bin_of(scores)
        for number in np.unique(place):
            here = place == number
            share, count = float(truth[here].mean()), int(here.sum())
            low, high = wilson(share, count / len(films.scores))
            about = {"bin": int(number), "mean_score": float(scores[here].mean()), "share": share}
            rows.append({**_about(predicted, label, cell), **about, "low": low, "high": high, "n": count})
    return pd.DataFrame(rows, columns=CURVE)


def read_curve(path: Path) -> pd.DataFrame:
    """Read the table of the reliability curves. Raises InputError as read_columns."""
    return read_columns(path, CURVE, {"mean_score", "share", "low", "high"}, {"bin", "multiplier", "n"})


def measures_of(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return every measure (B,) of films with truth bool (n,) and scores (n,); weights (n, B) of each draw, default one of ones.

    Intercept and slope are NaN where the films have one class only, the scores are all alike, or they separate the classes.
    """
    times = np.ones((len(truth), 1)) if weights is None else weights.astype(float)
    total = times.sum(axis=0)
    positive = truth.astype(float)
    brier = (times * ((scores - positive) ** 2)[:, None]).sum(axis=0) / total
    inside = np.eye(BINS)[bin_of(scores)]
    gaps = inside.T @ (times * (scores - positive)[:, None])
    x = logit(np.clip(scores, CLIP, 1 - CLIP))
    intercept, _ = _fit(x, positive, times, slopes=False)
    _, slope = _fit(x, positive, times, slopes=True)
    return {"brier": brier, "intercept": intercept, "slope": slope, "ece": np.abs(gaps).sum(axis=0) / total}


def bin_of(scores: np.ndarray) -> np.ndarray:
    """Return the number of each score's bin, 0 to BINS - 1; a score of 1 is in the last."""
    return np.minimum((scores * BINS).astype(int), BINS - 1)


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of so many films."""
    from statsmodels.stats.proportion import proportion_confint  # a second of imports

    low, high = proportion_confint(share * count, count, method="wilson")
    return float(low), float(high)


def _fit(x: np.ndarray, y: np.ndarray, times: np.ndarray, slopes: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return intercept and slope (B,) of weighted logistic regressions of y (n,) on x (n,), by Newton's method, all draws at once.

    Without `slopes` the slope is held at 1: x is an offset. A fit that does not end is NaN.
    """
    draws = times.shape[1]
    a, b = np.zeros(draws), np.full(draws, 0.0 if slopes else 1.0)  # from 0 a logistic model is found surely
    moved = np.full(draws, np.inf)
    for _ in range(ROUNDS):
        p = expit(a + x[:, None] * b)
        residual, curve = times * (y[:, None] - p), times * p * (1 - p)
        first, fisher = residual.sum(axis=0), curve.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            if slopes:
                second, cross, square = x @ residual, x @ curve, (x * x) @ curve
                determinant = fisher * square - cross**2
                step_a = (square * first - cross * second) / determinant
                step_b = (fisher * second - cross * first) / determinant
            else:
                step_a, step_b = first / fisher, np.zeros(draws)
        step_a, step_b = (np.clip(np.nan_to_num(step, nan=np.inf), -STEP, STEP) for step in (step_a, step_b))
        a, b = a + step_a, b + step_b
        moved = np.maximum(np.abs(step_a), np.abs(step_b))
        if (moved < STILL).all():
            break
    total = times.sum(axis=0)
    spread = (x * x) @ times / total - (x @ times / total) ** 2
    converged = (moved < 1e-4) & (np.abs(a) < FARTHEST) & (np.abs(b) < FARTHEST) & ((spread > 1e-9) | (not slopes))
    return np.where(converged, a, np.nan), np.where(converged, b, np.nan)


def _drawn(
    films: _Films, patients: np.ndarray, count: int, draws: int, stream: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return every measure (B, T) on draws of the patients, the same ones for all trials."""
    drawn = {name: np.empty((draws, len(films.scores))) for name in MEASURES}
    for first, weights in draw_weights(count, draws, stream):
        for place, scores in enumerate(films.scores):
            for name, values in measures_of(films.truth, scores, weights[patients]).items():
                drawn[name][first : first + len(values), place] = values
    return drawn


def _cells(predicted: Predicted) -> Iterator[tuple[str, Cell, _Films, list[int]]]:
    if predicted.says != LABELS:
        return
    for place, label in enumerate(predicted.labels):
        known = ~np.isnan(predicted.truth[:, place])
        for cell in ordered_cells(predicted):
            trials = predicted.trials_of(*cell)
            scores = [predicted.scores[Member(*cell, trial)][known, place] for trial in trials]
            yield label, cell, _Films(predicted.patients[known], predicted.truth[known, place] == 1, scores), trials


def _about(predicted: Predicted, label: str, cell: Cell) -> dict[str, Any]:
    about = (predicted.dataset, predicted.task, label, *cell)
    return dict(zip(CELL, about, strict=True))


def _counts(films: _Films, trials: list[int]) -> dict[str, Any]:
    counts = (len(trials), len(np.unique(films.patients)), len(films.truth), int(films.truth.sum()))
    return dict(zip(("n_trials", "n_patients", "n_films", "n_positives"), counts, strict=True))


def _undefined(films: _Films) -> str:
    """Return why no measure says anything, "" where they do."""
    if films.truth.all() or not films.truth.any():
        kind = "positive" if len(films.truth) and films.truth.all() else "negative"
        return f"all {len(films.truth)} films are {kind}" if len(films.truth) else "no film whose truth is known"
    return ""
