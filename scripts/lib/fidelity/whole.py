"""Features as whole numbers, so that sums and products are exact: no order, block or number of threads changes a bit.

Float sums over five ways to shard gave five results; whole numbers of 18 bits give one, since every sum of products stays below
2^53, which float64 holds exactly: up to 100,000 rows, and features of any usual length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LARGEST = 2**18 - 1
ROOM = 4.0  # images may lie this much further out than the farthest film before they are clipped
EXACT = 2**53


@dataclass(frozen=True)
class Scale:
    """How features become whole numbers: (x - centre) * factor, rounded; made from the reference films alone."""

    centre: np.ndarray
    factor: float

    @classmethod
    def of(cls, films: np.ndarray) -> Scale:
        """Return the scale of reference features (n, D); factor 0 where all films have the same features."""
        centre = films.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
        farthest = max(float((films.max(axis=0) - centre).max()), float((centre - films.min(axis=0)).max()))
        # Below the rounding of float32 there is no spread to speak of.
        spread = farthest > 1e-6 * max(1.0, float(np.abs(centre).max()))
        return cls(centre, LARGEST / (ROOM * farthest) if spread else 0.0)

    def whole(self, features: np.ndarray) -> tuple[np.ndarray, int]:
        """Return features (n, D) as whole numbers in float64, and how many of these rows had to be clipped."""
        scaled = np.rint((features.astype(np.float64) - self.centre) * self.factor)
        clipped = int((np.abs(scaled) > LARGEST).any(axis=1).sum())
        return np.clip(scaled, -LARGEST, LARGEST), clipped


@dataclass(frozen=True)
class Moments:
    """Number, sum (D,) and sum of products (D, D) of rows of whole numbers; exact, so they may be added and subtracted."""

    count: int
    total: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Return the moments of rows (n, D); raises OverflowError where they would not be exact."""
        if len(rows) * LARGEST**2 >= EXACT:
            raise OverflowError(f"{len(rows)} rows: more than float64 sums exactly")
        return cls(len(rows), rows.sum(axis=0), rows.T @ rows)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.products + other.products)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.count - other.count, self.total - other.total, self.products - other.products)

    def mean_and_covariance(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """Return mean (D,) and covariance (D, D; n - 1 below) of the features, relative to the scale's centre."""
        mean = self.total / self.count
        covariance = (self.products - np.outer(mean, self.total)) / (self.count - 1)
        return mean / factor, covariance / factor**2
