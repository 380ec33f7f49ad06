"""AP50, mAP and FROC of every training on films drawn anew: boxes are matched and sorted once, a draw gives each film a weight.

Precision is highest where a box finds a true one, so each curve is known from those boxes alone: how many true and false boxes a draw
has among the boxes before each of them is one product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from scripts.lib.downstream.box_metrics import FALSE_BOXES, Matched
from scripts.lib.evidence.predicted import Member, Predicted
from scripts.lib.evidence.ranked import ratio

STEPS = 100  # between the 101 recalls
TINY = 1e-4  # of a step: a recall that rounding has put just below one of them


def by_patient(predicted: Predicted, columns: np.ndarray) -> np.ndarray:
    """Return columns (n, C) of films summed over the films of each patient, float32 (patients, C)."""
    sums = np.zeros((predicted.n_patients, columns.shape[1]))
    np.add.at(sums, predicted.patients, columns)
    return sums.astype(np.float32)


def mean_of_known(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean of arrays of one shape, place by place, without NaN; NaN where there is nothing else."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    return ratio(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0))


class Boxes:
    """The metrics of boxes, the mean over structures that a film of the draw shows."""

    def __init__(self, predicted: Predicted, members: Sequence[Member], metrics: Sequence[str]) -> None:
        self.metrics = metrics
        self.structures = [_Structure(predicted, members, metrics, k) for k in range(len(predicted.labels))]

    def __call__(self, weights: np.ndarray, pool: ThreadPoolExecutor) -> tuple[dict[str, np.ndarray], np.ndarray]:
        each = [structure(weights, pool) for structure in self.structures]
        found = {name: mean_of_known([one[name] for one, _ in each]) for name in self.metrics}
        return found, np.sum([~there for _, there in each], axis=0)


class _Structure:
    """One structure: its true boxes and films by patient, and the curves of each training."""

    def __init__(self, predicted: Predicted, members: Sequence[Member], metrics: Sequence[str], k: int) -> None:
        self.metrics = metrics
        known = ~np.isnan(predicted.truth[:, k])
        truths = np.where(known, predicted.truth[:, k], 0)
        self.counts = by_patient(predicted, np.column_stack([truths, known]))
        limits = range(10 if "map" in metrics else 1)
        self.curves = [[_Curve(predicted, predicted.boxes[member][k], limit) for limit in limits] for member in members]

    def __call__(self, weights: np.ndarray, pool: ThreadPoolExecutor) -> tuple[dict[str, np.ndarray], np.ndarray]:
        truths, films = self.counts.T @ weights
        scored = list(pool.map(lambda curves: [curve(weights, truths, films) for curve in curves], self.curves))
        found = {
            "map": [np.mean([precision for precision, _ in one], axis=0) for one in scored],
            "ap50": [one[0][0] for one in scored],
            "froc": [one[0][1] for one in scored],
        }
        there = truths > 0
        return {name: np.where(there[:, None], np.column_stack(found[name]), np.nan) for name in self.metrics}, there


class _Curve:
    """One training, structure and limit of overlap: which patients the boxes are of, up to each box that finds a true one."""

    def __init__(self, predicted: Predicted, matched: Matched, limit: int) -> None:
        hits, patients = matched.hits[limit], predicted.patients[matched.films]
        ends = np.flatnonzero(hits)
        before = np.searchsorted(ends, np.arange(len(hits)))  # which of the finding boxes each box comes before, or is
        used = before < len(ends)
        found, missed = (np.zeros((len(ends), predicted.n_patients), np.float32) for _ in range(2))
        for into, own in ((found, hits), (missed, ~hits)):
            chosen = used & own
            np.add.at(into, (before[chosen], patients[chosen]), 1)
        self.found, self.missed = found.cumsum(axis=0), missed.cumsum(axis=0)

    def __call__(self, weights: np.ndarray, truths: np.ndarray, films: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return average precision and FROC of each draw; `weights` (patients, D), `truths` and `films` (D,) those of the draw."""
        if not len(self.found):
            return np.zeros(len(truths)), np.zeros(len(truths))
        found, missed = self.found @ weights, self.missed @ weights
        reached = np.maximum(truths, 1)
        with np.errstate(invalid="ignore"):
            precision = np.nan_to_num(found / (found + missed))
        best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        # Recall 0 counts as reached by the first box of a draw; each other one by the first box that comes to it.
        steps = np.floor(found * (STEPS / reached) + TINY) + 1
        steps[found == 0] = 0
        width = np.diff(steps, axis=0, prepend=0)
        average = (best * width).sum(axis=0) / (STEPS + 1)
        recall = [np.max(np.where(missed <= rate * films + TINY, found, 0), axis=0) / reached for rate in FALSE_BOXES]
        return average, np.mean(recall, axis=0)
