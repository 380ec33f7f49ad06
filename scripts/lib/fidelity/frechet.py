"""FID: the distance between two sets of features as if each were normal, plain and corrected for the number of images."""

from __future__ import annotations

import numpy as np

from scripts.lib.fidelity.distances import IntervalValue, Rows, jackknife
from scripts.lib.fidelity.whole import Moments, Scale


class Frechet:
    """The set that others are compared with, its square roots computed once."""

    def __init__(self, films: Rows, scale: Scale) -> None:
        self.scale = scale
        self.parts = films.moments()
        self.whole = _added(self.parts)
        self.roots = [_root(one, scale.factor) for one in [self.whole, *_without(self.whole, self.parts)]]

    def distances(self, images: Rows) -> tuple[float, IntervalValue]:
        """Return the plain FID (Heusel et al. 2017) of images to the films, and the one corrected for their number."""
        parts = images.moments()
        whole = _added(parts)
        sets = [whole, *_without(whole, parts)]
        distances = np.array([_frechet(one, root, self.scale.factor) for one, root in zip(sets, self.roots)])
        return float(distances[0]), jackknife(float(distances[0]), distances[1:])


def _added(parts: list[Moments]) -> Moments:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _without(whole: Moments, parts: list[Moments]) -> list[Moments]:
    return [whole - part for part in parts]


def _root(one: Moments, factor: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return mean, a root of the covariance (L, with L L^T the covariance), and its trace."""
    mean, covariance = one.mean_and_covariance(factor)
    try:
        root = np.linalg.cholesky(covariance)  # thirty times as fast as eigenvalues
    except np.linalg.LinAlgError:  # a feature that never changes, or follows from others
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
    return mean, root, float(np.trace(covariance))


def _frechet(one: Moments, root: tuple[np.ndarray, np.ndarray, float], factor: float) -> float:
    """Return |m1 - m2|^2 + tr(S1 + S2 - 2 (L^T S1 L)^1/2), S2 = L L^T: the symmetric form, so no complex root appears."""
    mean, covariance = one.mean_and_covariance(factor)
    shared = np.linalg.eigvalsh(root[1].T @ covariance @ root[1])
    apart = float(((mean - root[0]) ** 2).sum())
    return apart + float(np.trace(covariance)) + root[2] - 2 * float(np.sqrt(np.maximum(shared, 0)).sum())
