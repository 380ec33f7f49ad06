"""How far two sets of features lie apart: KID, precision, recall, density and coverage, each with an interval; FID is in frechet.py.

Sets come as whole numbers (whole.py) with a group of each row. A group holds all films of some patients, and leaving out one
group after the other (delete-group jackknife) says how much a value owes to chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from scripts.lib.fidelity.whole import Moments, Scale

GROUPS = 20
LEAST = 2 * GROUPS  # rows below which nothing is computed: a group needs two
CONFIDENCE = 0.95
BLOCK = 512  # rows whose distances to all others are held at once


@dataclass(frozen=True)
class IntervalValue:
    """A value with the ends of its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Rows:
    """Features of one set: whole numbers (n, D) ordered by group, and the group of each row, int (n,) below GROUPS."""

    features: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, groups: np.ndarray) -> Rows:
        """Return the rows ordered by group; within a group they stay in the order given."""
        order = np.argsort(groups, kind="stable")
        return cls(features[order], groups[order])

    def __len__(self) -> int:
        return len(self.features)

    @property
    def counts(self) -> np.ndarray:
        """How many rows each group has, (GROUPS,)."""
        return np.bincount(self.groups, minlength=GROUPS)

    def moments(self) -> list[Moments]:
        """Return the moments of each group."""
        ends = np.cumsum(self.counts)
        return [Moments.of(part) for part in np.split(self.features, ends[:-1])]


def jackknife(whole: float, without: np.ndarray) -> IntervalValue:
    """Return an estimate freed of bias of order 1/n, with its interval, from the values without each group (GROUPS,).

    Quenouille (1956): g times the whole less g - 1 times the mean of the parts. FID's bias is linear in 1/n (Chong and
    Forsyth, CVPR 2020), which is what this removes.
    """
    count = len(without)
    pseudo = count * whole - (count - 1) * without
    value, error = float(pseudo.mean()), float(pseudo.std(ddof=1)) / count**0.5
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return IntervalValue(value, value - reach, value + reach)


def kernel_sums(
    first: Rows, second: Rows, scale: Scale, products: np.ndarray, start: int, columns: slice = slice(None)
) -> np.ndarray:
    """Return sums over the groups of `second` of the polynomial kernel (x.y / D + 1)^3 of a block's rows, (b, GROUPS).

    `products`: whole products (b, c) of rows `start` to `start` + b of `first` with `columns` of `second`; they are used up.
    """
    size = first.features.shape[1]
    rows = first.features[start : start + len(products)]
    centre = scale.centre / size
    products *= 1 / (scale.factor**2 * size)
    products += (rows @ centre / scale.factor + 1)[:, None]
    products += second.features[columns] @ centre / scale.factor + float(centre @ scale.centre)
    kernel = products * products
    kernel *= products
    return _by_group(kernel, second.groups[columns])


def own_kernel(rows: Rows, scale: Scale) -> np.ndarray:
    """Return the kernel of each row with itself, (n,)."""
    features = rows.features / scale.factor + scale.centre
    return ((features * features).sum(axis=1) / features.shape[1] + 1) ** 3


def _by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the sums of columns over their groups, which ascend; groups without a column sum to 0."""
    there, starts = np.unique(groups, return_index=True)
    sums = np.zeros((len(values), GROUPS))
    sums[:, there] = np.add.reduceat(values, starts, axis=1)
    return sums


def kid(
    own: tuple[np.ndarray, np.ndarray], crossed: np.ndarray, counts: tuple[np.ndarray, np.ndarray]
) -> IntervalValue:
    """Return the unbiased KID (Binkowski et al. 2018) over all pairs, and its interval from leaving out groups.

    own      kernel sums within each set by groups of both rows (GROUPS, GROUPS), pairs of a row with itself left out
    crossed  those between the sets; counts: rows of each group of each set
    """

    def value(keep: np.ndarray) -> float:
        m, n = (float(one[keep].sum()) for one in counts)
        both = np.ix_(keep, keep)
        within = own[0][both].sum() / (m * (m - 1)) + own[1][both].sum() / (n * (n - 1))
        return float(within - 2 * crossed[both].sum() / (m * n))

    everything = np.ones(GROUPS, bool)
    without = np.array([value(np.arange(GROUPS) != group) for group in range(GROUPS)])
    whole, spread = value(everything), jackknife(value(everything), without)
    reach = (spread.high - spread.low) / 2
    return IntervalValue(whole, whole - reach, whole + reach)


# Both KID and the neighbours, in one pass over the products


@dataclass(frozen=True)
class Within:
    """What the rows of one set are to each other: kernel sums by group, and the squared distance to the k-th neighbour."""

    kernels: np.ndarray
    radii: np.ndarray


def within(rows: Rows, scale: Scale, nearest: int) -> Within:
    """Compare a set with itself, block by block; raises ValueError for no more than `nearest` rows."""
    if len(rows) <= nearest:
        raise ValueError(f"{len(rows)} rows have no {nearest} neighbours each")
    sums = np.zeros((GROUPS, GROUPS))
    squares = (rows.features**2).sum(axis=1)
    best = np.full((len(rows), nearest + 1), np.inf)  # the row itself is the first of them, at distance 0
    for start in range(0, len(rows), BLOCK):
        one = slice(start, start + BLOCK)
        # Each pair of blocks is computed once, for both its sides.
        for other in range(start, len(rows), BLOCK):
            two = slice(other, other + BLOCK)
            products = rows.features[one] @ rows.features[two].T
            apart = products * -2
            apart += squares[one, None]
            apart += squares[two]
            best[one] = _smallest(np.concatenate([best[one], apart], axis=1), nearest + 1)
            part = kernel_sums(rows, rows, scale, products, start, two)
            mine = np.zeros((GROUPS, GROUPS))
            np.add.at(mine, rows.groups[one], part)
            sums += mine
            if other > start:
                best[two] = _smallest(np.concatenate([best[two], apart.T], axis=1), nearest + 1)
                sums += mine.T
    sums -= np.diag(np.bincount(rows.groups, own_kernel(rows, scale), GROUPS))
    radii = best.max(axis=1)
    return Within(sums, radii)


def _smallest(values: np.ndarray, count: int) -> np.ndarray:
    return np.partition(values, count - 1, axis=1)[:, :count]


def between(
    images: Rows, films: Rows, own: Within, reference: Within, scale: Scale, nearest: int
) -> dict[str, IntervalValue]:
    """Return kid, precision, recall, density and coverage of images against films.

    The last four as in prdc (Kynkaanniemi et al. 2019; Naeem et al. 2020): precision = images inside the ball of a film (to
    its k-th neighbour), recall = films inside that of an image, density = balls that an image lies in, by k, coverage = films
    whose ball holds an image. Intervals hold the balls fixed.
    """
    sums = np.zeros((GROUPS, GROUPS))
    inside, covered = np.zeros(len(images)), np.zeros(len(films), bool)
    reached = np.zeros(len(films), bool)
    squares = (films.features**2).sum(axis=1)
    for start in range(0, len(images), BLOCK):
        part = images.features[start : start + BLOCK]
        products = part @ films.features.T
        apart = products * -2
        apart += (part**2).sum(axis=1)[:, None]
        apart += squares
        near = apart < reference.radii
        inside[start : start + BLOCK] = near.sum(axis=1)
        covered |= near.any(axis=0)
        reached |= (apart < own.radii[start : start + BLOCK, None]).any(axis=0)
        np.add.at(sums, images.groups[start : start + BLOCK], kernel_sums(images, films, scale, products, start))
    return {
        "kid": kid((own.kernels, reference.kernels), sums, (images.counts, films.counts)),
        "precision": share(inside > 0, images.groups),
        "recall": share(reached, films.groups),
        "density": mean(inside / nearest, images.groups),
        "coverage": share(covered, films.groups),
    }


def mean(values: np.ndarray, groups: np.ndarray) -> IntervalValue:
    """Return the mean of values (n,), with an interval from leaving out groups."""
    totals, counts = np.bincount(groups, values, GROUPS), np.bincount(groups, minlength=GROUPS)
    without = (totals.sum() - totals) / (counts.sum() - counts)
    estimate = jackknife(float(values.mean()), without)
    reach = (estimate.high - estimate.low) / 2
    return IntervalValue(float(values.mean()), float(values.mean()) - reach, float(values.mean()) + reach)


def share(truths: np.ndarray, groups: np.ndarray) -> IntervalValue:
    """Return a share, with the wider of two intervals: from leaving out groups, and Wilson's, which knows 0 and 1."""
    estimate, count = mean(truths.astype(float), groups), len(truths)
    test = stats.binomtest(int(truths.sum()), count).proportion_ci(CONFIDENCE, method="wilson")
    return IntervalValue(estimate.value, max(0.0, min(estimate.low, test.low)), min(1.0, max(estimate.high, test.high)))
