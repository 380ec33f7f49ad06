"""How often a tuned generator orders pairs as the raters did, with an interval that counts sets, not pairs.

Pairs of one set share images, prompt and raters, so they are not independent. The interval is that of a mean of clusters:
with sets g, their pairs i and accuracies a_gi, the standard error is sqrt(G / (G - 1) * sum_g (sum_i (a_gi - mean))^2) / n, and
Student's t has G - 1 degrees of freedom (Liang & Zeger 1986, Biometrika 73:13, for the mean).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.lib.core.errors import InputError

CONFIDENCE = 0.95
COLUMNS = ("part", "role", "step", "sets", "pairs", "accuracy", "ci_low", "ci_high", "margin", "note")
NUMBERS, WHOLE = ("accuracy", "ci_low", "ci_high", "margin"), ("step", "sets", "pairs")
CHOSE = "chose the step: the highest of its checks, so too high"
REPORTED = "reported: neither taught nor chose"


@dataclass(frozen=True)
class Accuracy:
    """A mean over pairs and its 95 % interval; `note` says why there is none (NaN)."""

    sets: int
    pairs: int
    accuracy: float
    ci_low: float = np.nan
    ci_high: float = np.nan
    note: str = ""


def set_accuracy(accuracies: Sequence[float], sets: Sequence[str]) -> Accuracy:
    """Return the mean of `accuracies` (n,) in [0, 1] of the pairs of `sets` (n,), and its interval, cut to [0, 1]."""
    from scipy import stats

    values = np.asarray(accuracies, dtype=float)
    names, owner = np.unique(np.asarray(sets, dtype=str), return_inverse=True)
    mean, count = float(values.mean()), len(names)
    if count < 2:
        return Accuracy(count, len(values), mean, note="no interval: pairs of one set only")
    sums = np.bincount(owner, values - mean, count)
    error = float(np.sqrt(count / (count - 1) * np.sum(sums**2))) / len(values)
    if error < 1e-12:
        return Accuracy(count, len(values), mean, note="no interval: every set has the same share")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Accuracy(count, len(values), mean, max(0.0, mean - half), min(1.0, mean + half))


def refuse_shared(report: Sequence[str], others: Sequence[str], what: str) -> None:
    """Raise InputError when a set whose pairs are reported on has also taught or chosen."""
    shared = sorted(set(report) & set(others))
    if shared:
        raise InputError(
            f"{what}: set {shared[0]} ({len(shared)} in all) has pairs in the other parts as well; what is reported must "
            f"neither teach nor choose; make the parts with build_preferences"
        )
