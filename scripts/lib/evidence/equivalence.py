"""How many real films, alone, would give the score of a synthetic cell: read from the learning curve of the real films.

The curve goes through the mean score at each fraction of real films. It never falls (isotonic regression: neighbours that would
fall are pooled), and it is linear in log n between the fractions. It ends where the fractions end: what lies beyond is told as
a bound, and never extrapolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.seeds import rng
from scripts.lib.evidence.bootstrap import CONFIDENCE, LEAST_DRAWS, SAME
from scripts.lib.evidence.moved import Moves, moved_draws
from scripts.lib.evidence.predicted import Cell, Predicted
from scripts.lib.evidence.resampling import SMALLER_IS_BETTER, Resampled
from scripts.lib.formats.csv_text import read_columns
from scripts.lib.study.arms import REAL

CURVE, SYNTHETIC = "curve", "cell"
BOUNDS = {-np.inf: "<=", np.inf: ">="}
EQUIVALENCE = [
    *["dataset", "task", "metric", "kind", "fraction", "arm", "multiplier", "n_real", "n_synthetic", "score", "fitted"],
    *[
        "bound",
        "n_equivalent",
        "low_bound",
        "low",
        "high_bound",
        "high",
        "more_films",
        "n_trials",
        "n_patients",
        "note",
    ],
]
NUMBERS = {"fraction", "n_real", "n_synthetic", "score", "fitted", "n_equivalent", "low", "high", "more_films"}
WHOLE = {"multiplier", "n_trials", "n_patients"}


def monotone(values: np.ndarray) -> np.ndarray:
    """Return values (..., K) as the nearest that never fall along the last axis, in least squares.

    Point i is the largest over a <= i of the smallest over b >= i of the mean of a ... b (Robertson et al. 1988, section 1.4):
    for a handful of points faster over many curves than pooling one curve after another.
    """
    count = values.shape[-1]
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    fitted = np.full(values.shape, -np.inf)
    for first in range(count):
        means = (sums[..., first + 1 :] - sums[..., first, None]) / np.arange(1, count - first + 1)
        least = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        fitted[..., first:] = np.maximum(fitted[..., first:], least)
    return fitted


def films_for(score: np.ndarray, films: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Return the fewest films at which a curve reaches a score, (B,): -inf below the curve's first point, inf above its last.

    score (B,); films (K,) ascending; curve (B, K) that never falls. Linear in log n between two points.
    """
    score, logs = score[:, None], np.log(films)
    above = np.clip((curve < score - SAME).sum(axis=1), 1, max(len(films) - 1, 1))  # the first point that reaches it
    rows = np.arange(len(curve))
    if len(films) == 1:
        films_needed = np.full(len(curve), films[0], float)
    else:
        low, high = curve[rows, above - 1], curve[rows, above]
        share = np.divide(score[:, 0] - low, high - low, out=np.zeros(len(curve)), where=high - low > SAME)
        films_needed = np.exp(logs[above - 1] + np.clip(share, 0, 1) * (logs[above] - logs[above - 1]))
    films_needed = np.where(score[:, 0] < curve[:, 0] - SAME, -np.inf, films_needed)
    return np.where(score[:, 0] > curve[:, -1] + SAME, np.inf, films_needed)


def equivalence(
    predicted: Predicted, resampled: Resampled, films: dict[Cell, tuple[float, float]], seed: int
) -> pd.DataFrame:
    """Return one row (EQUIVALENCE) a metric and point of the curve, then one a metric and synthetic cell.

    films  real and synthetic films of each cell, means of its trials
    """
    cells = sorted(films, key=lambda cell: (float(cell[0]), cell[1], cell[2]))
    real = sorted((cell for cell in cells if cell[1] == REAL), key=lambda cell: films[cell][0])
    real = [cell for place, cell in enumerate(real) if place == 0 or films[cell][0] > films[real[place - 1]][0]]
    rows: list[dict[str, Any]] = []
    for metric in resampled.draws:
        sign = -1.0 if metric in SMALLER_IS_BETTER else 1.0
        count = 1 + max(member.trial for member in predicted.members)
        moves = Moves(count, len(resampled.draws[metric]), rng(seed, "trials", metric))
        moved = {cell: moved_draws(predicted, resampled, metric, cell, moves) for cell in cells}
        known = [cell for cell in real if not np.isnan(moved[cell][0])]
        numbers = np.array([films[cell][0] for cell in known])
        curve = _Curve(numbers, [sign * moved[cell][0] for cell in known], [sign * moved[cell][1] for cell in known])
        for cell in [*real, *(cell for cell in cells if cell[1] != REAL)]:
            about = _about(predicted, metric, cell, films[cell], moved[cell][0])
            if cell[1] == REAL:
                fitted = sign * float(curve.fitted[known.index(cell)]) if cell in known else np.nan
                rows.append({**about, "kind": CURVE, "fitted": fitted, "note": "" if cell in known else "no score"})
            else:
                rows.append({**about, "kind": SYNTHETIC, **curve.read(sign * moved[cell][0], sign * moved[cell][1])})
    table = pd.DataFrame(rows, columns=EQUIVALENCE)
    table["more_films"] = (table["n_equivalent"] - table["n_real"]).where(table["bound"] == "")
    return table


def _about(predicted: Predicted, metric: str, cell: Cell, films: tuple[float, float], score: float) -> dict[str, Any]:
    texts = dict.fromkeys(("bound", "low_bound", "high_bound", "note"), "")
    counts = {"n_trials": len(predicted.trials_of(*cell)), "n_patients": predicted.n_patients}
    place = {
        "dataset": predicted.dataset,
        "task": predicted.task,
        "metric": metric,
        "fraction": cell[0],
        "arm": cell[1],
    }
    return {
        **texts,
        **place,
        "multiplier": cell[2],
        "n_real": films[0],
        "n_synthetic": films[1],
        "score": score,
        **counts,
    }


class _Curve:
    """The learning curve of the real films: as it was found, and in every draw. Larger is better."""

    def __init__(self, films: np.ndarray, values: Sequence[float], draws: Sequence[np.ndarray]) -> None:
        self.films = films
        self.fitted = monotone(np.array(values)) if len(values) else np.array([])
        self.draws = monotone(np.column_stack(draws)) if len(values) else np.empty((0, 0))
        self.note = self._note(np.array(values))

    def _note(self, values: np.ndarray) -> str:
        """Return what a person must know of the curve itself."""
        if len(values) == 1:
            return "the curve has one point: only more or less can be said; add study.real_fractions"
        parts = []
        if (np.diff(values) < -SAME).any():
            parts.append("scores fall with more real films: the curve pools them")
        for place in np.flatnonzero(np.diff(self.fitted) <= SAME):
            parts.append(f"flat from {self.films[place]:g} to {self.films[place + 1]:g} real films")
        return "; ".join(parts)

    def read(self, score: float, draws: np.ndarray) -> dict[str, Any]:
        """Return number, bounds, interval and note of one cell's score (B draws of it)."""
        if np.isnan(score) or not len(self.films):
            return {"note": "no score on these test films" if np.isnan(score) else "no trial of real films has a score"}
        if len(self.films) > 1 and self.fitted[-1] - self.fitted[0] <= SAME and abs(score - self.fitted[0]) <= SAME:
            return {"note": f"{self.note}; any number of them gives this score"}
        value = films_for(np.array([score]), self.films, self.fitted[None])[0]
        columns = self._told("bound", "n_equivalent", value)
        usable = ~(np.isnan(draws) | np.isnan(self.draws).any(axis=1))
        if usable.sum() < LEAST_DRAWS:
            return {
                **columns,
                "note": "; ".join(filter(None, [self.note, f"no interval: {usable.sum()} draws have a value"])),
            }
        drawn = np.sort(films_for(draws[usable], self.films, self.draws[usable]))
        tail = (1 - CONFIDENCE) / 2 * (len(drawn) - 1)  # whole draws, for an end may be a bound and no number
        low, high = drawn[int(np.floor(tail))], drawn[int(np.ceil(len(drawn) - 1 - tail))]
        columns |= self._told("low_bound", "low", low) | self._told("high_bound", "high", high)
        wide = "the interval spans the curve: nothing can be told" if low == -np.inf and high == np.inf else ""
        return {**columns, "note": "; ".join(filter(None, [self.note, wide]))}

    def _told(self, bound: str, name: str, value: float) -> dict[str, Any]:
        ends = {-np.inf: self.films[0], np.inf: self.films[-1]}
        return {bound: BOUNDS.get(value, ""), name: float(ends.get(value, value))}


def read_equivalence(path: Path) -> pd.DataFrame:
    """Read equivalence.csv; a number that could not be had is NaN. Raises InputError as read_columns."""
    return read_columns(path, EQUIVALENCE, NUMBERS, WHOLE, (), sorted(NUMBERS - {"fraction"}))
