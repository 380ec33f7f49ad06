"""How far images show what they were asked to show, from what a judge of real films found on each of them.

A table of findings (one row an image) has `image_id`, `group` (films that share it, a patient's, are no independent draws;
every image is one of its own), and

    of labels  for each label `asked_LABEL` (1, 0, or missing) and `found_LABEL`, the judge's probability
    of masks   `asked` and `found`, pixels of the mask and of what the judge finds; `dice` of the two (missing where the mask is
               empty); `by_chance`, the mean Dice of what it finds with masks of other images; `side_asked` and `side_found`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.lib.core.auroc import auroc
from scripts.lib.core.seeds import rng

NORMAL = 1.959964  # of a normal distribution, 97.5 % lie below
SHUFFLES = 100  # of the asked labels, which say what chance reaches
IDS = ("image_id", "group")
MASKS = (*IDS, "asked", "found", "dice", "by_chance", "side_asked", "side_found")


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, over `n` images; NaN where nothing was measured. `bounded`: it lies in [0, 1]."""

    value: float
    error: float
    n: int = 0
    bounded: bool = True

    @property
    def low(self) -> float:
        """The lower end of its interval of 95 %."""
        end = self.value - NORMAL * self.error
        return max(0.0, end) if self.bounded and end < 0 else end

    @property
    def high(self) -> float:
        """The upper end."""
        end = self.value + NORMAL * self.error
        return min(1.0, end) if self.bounded and end > 1 else end


NONE = Estimate(np.nan, np.nan)


def mean_of(values: np.ndarray, groups: np.ndarray) -> Estimate:
    """Return the mean of values (n,), NaN left out; images of one group count as one draw."""
    known = ~np.isnan(values)
    if not known.any():
        return NONE
    middle = float(values[known].mean())
    return Estimate(middle, _error((values[known] - middle) / known.sum(), groups[known]), int(known.sum()))


def auroc_of(asked: np.ndarray, found: np.ndarray, groups: np.ndarray) -> Estimate:
    """Return the mean over labels of the AUROC of `found` (n, L) for `asked` (n, L), 1, 0 or NaN.

    Labels of which one class is missing are left out. The error is that of DeLong et al. 1988: an image's part is the share of
    the other class that it is on the right side of; an image has a part in each label.
    """
    influence, values = np.zeros(len(asked)), []
    for truth, scores in zip(asked.T, found.T):
        shares = _right_of(truth, scores)
        if shares is None:
            continue
        values.append(float(shares[truth == 1].mean()))
        for side in (0, 1):
            here = truth == side
            influence[here] += (shares[here] - values[-1]) / here.sum()
    if not values:
        return NONE
    used = int((~np.isnan(asked)).any(axis=1).sum())
    return Estimate(float(np.mean(values)), _error(influence / len(values), groups), used)


def _right_of(truth: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
    """Return for each image the share of the other class on the right side of it, ties half; None where a class is missing."""
    shares = np.full(len(truth), np.nan)
    above, below = np.sort(scores[truth == 1]), np.sort(scores[truth == 0])
    if not len(above) or not len(below):
        return None
    for side, others in ((1, below), (0, above)):
        here = scores[truth == side]
        lower = (np.searchsorted(others, here) + np.searchsorted(others, here, "right")) / 2 / len(others)
        shares[truth == side] = lower if side else 1 - lower
    return shares


def shuffled_auroc(asked: np.ndarray, found: np.ndarray) -> Estimate:
    """Return what images reach whose labels are dealt out anew: mean and spread over SHUFFLES draws."""
    values = []
    for number in range(SHUFFLES):
        order = rng("faithfulness", "shuffle", number).permutation(len(asked))
        each = [
            auroc(truth[~np.isnan(truth)] == 1, scores[~np.isnan(truth)])
            for truth, scores in zip(asked[order].T, found.T)
        ]
        each = [value for value in each if value == value]
        values += [float(np.mean(each))] if each else []
    return Estimate(float(np.mean(values)), float(np.std(values)), len(asked)) if values else NONE


def share_of(value: Estimate, floor: Estimate, chance: float) -> Estimate:
    """Return how much of what real films reach above chance the images reach: 1 as real films, 0 as chance.

    The error of a quotient of two independent means (delta method). NaN where real films are not above chance.
    """
    above = floor.value - chance
    if not above > 0:
        return NONE
    share = (value.value - chance) / above
    return Estimate(share, float(np.hypot(value.error, share * floor.error) / above), value.n, bounded=False)


def asked_and_found(table: pd.DataFrame, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return what was asked for and what was found, float (n, L) each."""
    asked, found = (
        table[[f"{part}_{name}" for name in labels]].to_numpy(float, na_value=np.nan) for part in ("asked", "found")
    )
    return asked, found


def agreement(table: pd.DataFrame, real: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Return how usual a real film would be that agrees with its label or mask as little as each image, (n,) in [0, 1].

    real    findings on held-out real films; labels  those that count, none for masks

    Of a label: the share of real films with (or without) it whose probability is as far off, or farther; of several labels the
    smallest, times their number. Of a mask: the share of real films with a lower or the same Dice; of an empty mask: the share of
    films without one where as much is found. 1 where real films say nothing.
    """
    if not labels:
        shown, empty = (real["asked"] > 0).to_numpy(), (real["asked"] == 0).to_numpy()
        usual = np.ones(len(table))
        with_mask = (table["asked"] > 0).to_numpy()
        usual[with_mask] = _upto(real["dice"].to_numpy(float)[shown], table["dice"].to_numpy(float)[with_mask])
        usual[~with_mask] = _upto(-real["found"].to_numpy(float)[empty], -table["found"].to_numpy(float)[~with_mask])
        return usual
    (asked, found), (truth, scores) = asked_and_found(table, labels), asked_and_found(real, labels)
    each = np.ones(asked.shape)
    for column in range(len(labels)):
        for side, sign in ((1, 1), (0, -1)):
            here, films = asked[:, column] == side, truth[:, column] == side
            each[here, column] = _upto(sign * scores[films, column], sign * found[here, column])
    known = np.maximum(1, (~np.isnan(asked)).sum(axis=1))
    return np.minimum(1, each.min(axis=1, initial=1.0) * known)


def _upto(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the share of a reference that is not above each value; 1 without a reference."""
    if not len(reference):
        return np.ones(len(values))
    return np.searchsorted(np.sort(reference), values, "right") / len(reference)


def _error(influence: np.ndarray, groups: np.ndarray) -> float:
    """Return the standard error of a mean from each image's part in it, summed over groups."""
    _, of_image = np.unique(groups.astype(str), return_inverse=True)
    sums = np.bincount(of_image, weights=influence)
    if not sums.any():
        # All are the same: what did not happen in n draws happens in at most 3 / n (the rule of three, 95 %).
        return 3 / len(sums) / NORMAL
    return float(np.sqrt((sums**2).sum() * len(sums) / max(1, len(sums) - 1)))
