"""What can be judged of a film by rule, learned from real films: findings, faithfulness to a mask, artefacts.

The judges here stand in for radiologists where there are none. They are kernel regressions and grey-value statistics
on films of the foundation and mask cohorts. The downstream trials judge by trained networks on other cohorts' test
films; nothing of theirs is used here, and the split `test` is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion
from scipy.special import expit

from scripts.lib.core.auroc import auroc
from scripts.lib.core.errors import InputError

SIDE = 32  # pixels of the reduced films that findings are read from
RIDGE = 0.1  # added to the kernel's diagonal
MIN_FILMS = 8  # films of either class that a finding, or a side of it, needs to be judged
MIN_AUROC = 0.7  # below it a judge knows too little to be asked
BAND = 0.045  # width of the bands on both sides of a mask's edge, a share of the side


def reduce_films(images: np.ndarray) -> np.ndarray:
    """Return films uint8 (n, H, H) as float32 (n, SIDE * SIDE) of mean 0 and deviation 1 each; H a multiple of 32."""
    n, height, width = images.shape
    if height != width or height % SIDE:
        raise InputError(f"films of {height} x {width} pixels: expected a square side that is a multiple of {SIDE}")
    step = height // SIDE
    small = images.reshape(n, SIDE, step, SIDE, step).mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)
    small -= small.mean(axis=1, keepdims=True)
    return small / np.maximum(small.std(axis=1, keepdims=True), 1e-3)


@dataclass(frozen=True)
class KernelJudge:
    """One yes-or-no question about a film: a Gaussian kernel regression whose score becomes a probability.

    The probability is that of two normal distributions of equal width, fitted to the scores that each film gets from
    all others (leave-one-out, in closed form), both answers equally likely. `known` is their AUROC.
    """

    films: np.ndarray
    weights: np.ndarray
    width: float
    middle: float
    slope: float
    known: float

    @classmethod
    def fit(cls, films: np.ndarray, truth: np.ndarray) -> KernelJudge | None:
        """Learn from films (n, D) and answers bool (n,); None where either answer is too rare to learn."""
        if min(truth.sum(), (~truth).sum()) < MIN_FILMS:
            return None
        squares = _squares(films, films)
        width = float(np.median(squares)) / 2
        inverse = np.linalg.inv(np.exp(-squares / (2 * width)) + RIDGE * np.eye(len(films), dtype=np.float64))
        target = np.where(truth, 1 / truth.mean(), -1 / (~truth).mean()) / 2
        weights = inverse @ target
        alone = target - weights / np.diag(inverse)
        yes, no = alone[truth], alone[~truth]
        variance = max(float(np.concatenate([yes - yes.mean(), no - no.mean()]).var()), 1e-9)
        slope = max(float(yes.mean() - no.mean()), 0.0) / variance
        middle = float(yes.mean() + no.mean()) / 2
        return cls(films, weights, width, middle, slope, auroc(truth, alone))

    def __call__(self, films: np.ndarray) -> np.ndarray:
        """Return the probability of yes for each film (n, D)."""
        scores = np.exp(-_squares(films, self.films) / (2 * self.width)) @ self.weights
        return expit(self.slope * (scores - self.middle))


def _squares(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the squared distances (n, m), float64, in units of D."""
    norms = (one**2).sum(1)[:, None] + (other**2).sum(1)[None]
    return np.maximum(norms - 2 * one @ other.T, 0).astype(np.float64) / one.shape[1]


class FindingJudge:
    """Which findings a film shows and on which side; knows those that it can tell on the real films it learned from."""

    def __init__(self) -> None:
        self.findings: dict[str, KernelJudge] = {}
        self.sides: dict[str, KernelJudge] = {}

    def learn(self, images: np.ndarray, labels: Mapping[str, np.ndarray], sides: Mapping[str, np.ndarray]) -> None:
        """Learn what is not known yet from real films uint8 (n, H, H).

        `labels` {name: 0, 1 or NaN, (n,)}; `sides` {name: +1 patient's left, -1 right, 0 not known, (n,)}.
        """
        films = reduce_films(images)
        for name, values in labels.items():
            if name not in self.findings:
                rows = np.flatnonzero(np.isfinite(values))
                self._keep(self.findings, name, films[rows], values[rows] == 1)
        for name, values in sides.items():
            if name in self.findings and name not in self.sides:
                rows = np.flatnonzero(values != 0)
                self._keep(self.sides, name, films[rows], values[rows] > 0)

    @staticmethod
    def _keep(where: dict[str, KernelJudge], name: str, films: np.ndarray, truth: np.ndarray) -> None:
        judge = KernelJudge.fit(films, truth)
        if judge is not None and judge.known >= MIN_AUROC:
            where[name] = judge

    def presence(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return {finding: probability (n,)} of films uint8 (n, H, H)."""
        films = reduce_films(images)
        return {name: judge(films) for name, judge in self.findings.items()}

    def left(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return {finding: probability (n,) that it lies on the patient's left, given that it is there}."""
        films = reduce_films(images)
        return {name: judge(films) for name, judge in self.sides.items()}


def edge_contrast(image: np.ndarray, mask: np.ndarray) -> float:
    """Return how much brighter a film uint8 (H, H) is just outside a mask bool (H, H) than just inside, in units of the
    film's deviation; NaN where the mask has no edge inside the film."""
    radius = max(1, round(BAND * mask.shape[0]))
    inner = mask & ~binary_erosion(mask, iterations=radius, border_value=1)
    outer = binary_dilation(mask, iterations=radius) & ~mask
    if not inner.any() or not outer.any():
        return float("nan")
    grey = image.astype(np.float64)
    return float((grey[outer].mean() - grey[inner].mean()) / max(grey.std(), 1.0))


class MaskJudge:
    """How well a film follows its mask: its contrast across each structure's edge, on a scale from real films.

    1 is the median of real films with their own masks, 0 that of the same films with another film's mask. Structures
    whose edge does not show on real films (AUROC of own against other below MIN_AUROC) are not judged.
    """

    def __init__(self, images: np.ndarray, fields: np.ndarray, structures: Sequence[str]) -> None:
        """Learn from real films uint8 (n, H, H) and their bit fields uint8 (n, H, H)."""
        self.scale: dict[int, tuple[float, float]] = {}
        for bit in range(len(structures)):
            masks = (fields >> bit) & 1 == 1
            rows = np.flatnonzero(masks.any(axis=(1, 2)))
            if len(rows) < 2 * MIN_FILMS:
                continue
            own = np.array([edge_contrast(images[row], masks[row]) for row in rows])
            other = np.array([edge_contrast(images[row], masks[next_]) for row, next_ in zip(rows, np.roll(rows, 1))])
            own, other = own[np.isfinite(own)], other[np.isfinite(other)]
            good, bad = float(np.median(own)), float(np.median(other))
            known = auroc(np.arange(len(own) + len(other)) < len(own), np.concatenate([own, other]))
            if max(known, 1 - known) >= MIN_AUROC:
                self.scale[bit] = (good, bad)
        if not self.scale:
            raise InputError(f"simulation.judge: none of the structures {list(structures)} shows on real films")

    def __call__(self, images: np.ndarray, fields: np.ndarray) -> np.ndarray:
        """Return how well films (n, H, H) follow their bit fields (n, H, H), float (n,) in [0, 1]: the mean over structures.

        NaN where no judged structure is in the field.
        """
        fits = np.full((len(images), len(self.scale)), np.nan)
        for column, (bit, (good, bad)) in enumerate(self.scale.items()):
            masks = (fields >> bit) & 1 == 1
            for row in np.flatnonzero(masks.any(axis=(1, 2))):
                fits[row, column] = (edge_contrast(images[row], masks[row]) - bad) / (good - bad)
        fits = np.clip(fits, 0, 1)
        known = np.isfinite(fits)
        return np.where(known.any(1), np.nansum(fits, 1) / np.maximum(known.sum(1), 1), np.nan)


class ArtefactJudge:
    """How far a film lies outside what real films look like: its grey values, its sharpness and its coarse form."""

    def __init__(self, images: np.ndarray, components: int = 20) -> None:
        """Learn from real films uint8 (n, H, H)."""
        coarse = reduce_films(images)
        self._mean = coarse.mean(0)
        self._axes = np.linalg.svd(coarse - self._mean, full_matrices=False)[2][:components]
        features = self._features(images)
        self._centre = features.mean(0)
        spread = np.cov(features.T) + 1e-3 * np.diag(features.var(0) + 1e-9)
        self._inverse = np.linalg.inv(spread)
        self._usual = float(np.quantile(self._distance(features), 0.95))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return 0 for films (n, H, H) as usual as 95 % of real ones, towards 1 the further they lie outside."""
        return 1 - np.exp(-np.maximum(self.far(images) - 1, 0))

    def far(self, images: np.ndarray) -> np.ndarray:
        """Return how far films (n, H, H) lie from the middle of real ones, 1 where 95 % of those lie nearer."""
        return self._distance(self._features(images)) / self._usual

    def _features(self, images: np.ndarray) -> np.ndarray:
        grey = images.astype(np.float32)
        second = (
            4 * grey[:, 1:-1, 1:-1] - grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1] - grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]
        )
        sharp = np.log(np.abs(second).mean((1, 2)) + 1)
        quantiles = np.quantile(grey, (0.01, 0.5, 0.99), axis=(1, 2)).T
        coarse = reduce_films(images) - self._mean
        inside = coarse @ self._axes.T
        rest = np.log(((coarse - inside @ self._axes) ** 2).mean(1) + 1e-6)
        return np.column_stack([grey.mean((1, 2)), grey.std((1, 2)), sharp, rest, quantiles, inside]).astype(np.float64)

    def _distance(self, features: np.ndarray) -> np.ndarray:
        off = features - self._centre
        return np.sqrt(np.maximum(((off @ self._inverse) * off).sum(1), 0))
