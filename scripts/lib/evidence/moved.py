"""Draws of several cells at once that hold both the films and the trials, with what cells share kept between them.

The mean of each cell is moved as in `bootstrap.interval`: by the draw of patients, and by Student's t with T - 1 degrees of
freedom times the error that trials show. Trials of one number share their films and seed in all cells, so one draw moves all
cells along the same trials: the cells stay paired, and a function of several cells has an interval as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from scripts.lib.evidence.bootstrap import between_trials, spread, widening
from scripts.lib.evidence.predicted import Cell, Member, Predicted
from scripts.lib.evidence.resampling import Resampled


class Moves:
    """The random part of B draws of trials: the same for every cell of a dataset."""

    def __init__(self, trials: int, draws: int, rng: np.random.Generator) -> None:
        self.directions = rng.standard_normal((draws, trials))
        self.places = (rng.permutation(draws) + 0.5) / draws

    def along(self, values: np.ndarray, trials: Sequence[int]) -> np.ndarray:
        """Return (B,): Student's t, T - 1 degrees of freedom, times the standard error of the mean of `values` (T,)."""
        count = len(values)
        if count < 2:
            return np.zeros(len(self.places))
        draws = self.directions[:, list(trials)] @ (values - values.mean()) / np.sqrt(count * (count - 1))
        return draws * np.sqrt((count - 1) / stats.chi2.ppf(self.places, count - 1))


def moved_draws(
    predicted: Predicted, resampled: Resampled, metric: str, cell: Cell, moves: Moves
) -> tuple[float, np.ndarray]:
    """Return the mean of a cell's trials, and B draws of it (NaN where a draw has no value)."""
    trials = predicted.trials_of(*cell)
    places = [resampled.members.index(Member(*cell, trial)) for trial in trials]
    points, draws = resampled.points[metric][places], resampled.draws[metric][:, places].astype(float)
    value = float(points.mean())
    known = ~np.isnan(draws).any(axis=1)
    patients = predicted.n_patients
    if np.isnan(value) or known.sum() < 2 or patients < 2:
        return value, np.full(len(draws), np.nan)
    moved = value + (draws.mean(axis=1) - value) * widening(patients)
    observed = float(points.var(ddof=1)) if len(points) > 1 else 0.0
    if observed > 0:
        kept = between_trials(points, spread(points, draws[known]))
        moved = moved + moves.along(points, trials) * np.sqrt(kept / observed)
    return value, moved
