"""Shapes on a pixel grid: signed distances (positive inside), soft edges, blends, and smooth random fields."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@lru_cache(maxsize=8)
def grid(size: int) -> tuple[Array, Array]:
    """Return x (rightwards) and y (downwards) of the pixel centres, each (size, size) float32 in (-1, 1)."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) * (2.0 / size) - 1.0).astype(np.float32)
    x, y = np.meshgrid(line, line)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def soft(distance: Array, width: float) -> Array:
    """Turn a signed distance into a weight in [0, 1] that rises from 0 to 1 over `width` around the edge."""
    return np.clip(distance * np.float32(1.0 / width) + np.float32(0.5), 0.0, 1.0)


def blend(density: Array, weight: Array | float, value: Array | float) -> None:
    """Move `density` in place towards `value` by `weight` in [0, 1]."""
    density += weight * (value - density)


def ellipse(x: Array, y: Array, centre: tuple[float, float], axes: tuple[float, float], angle: float = 0.0) -> Array:
    """Return an approximate signed distance to an ellipse, positive inside; `angle` in radians turns it clockwise."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    radius = np.sqrt((along / np.float32(axes[0])) ** 2 + (across / np.float32(axes[1])) ** 2)
    return (1.0 - radius) * np.float32(min(axes))


def bump(x: Array, y: Array, centre: tuple[float, float], axes: tuple[float, float]) -> Array:
    """Return a Gaussian hill of height 1 with standard deviations `axes`."""
    dx, dy = (x - np.float32(centre[0])) / np.float32(axes[0]), (y - np.float32(centre[1])) / np.float32(axes[1])
    return np.exp(np.float32(-0.5) * (dx * dx + dy * dy))


def polyline(x: Array, y: Array, points: NDArray[np.floating]) -> Array:
    """Return the distance of each pixel to a line through `points` (N, 2)."""
    best = np.full_like(x, 9.0)
    for (ax, ay), (bx, by) in zip(points[:-1].astype(np.float32), points[1:].astype(np.float32), strict=True):
        dx, dy = bx - ax, by - ay
        px, py = x - ax, y - ay
        along = np.clip((px * dx + py * dy) * np.float32(1.0 / max(dx * dx + dy * dy, 1e-9)), 0.0, 1.0)
        px -= along * dx
        py -= along * dy
        np.minimum(best, px * px + py * py, out=best)
    return np.sqrt(best)


@lru_cache(maxsize=32)
def _weights(cells: int, size: int) -> Array:
    """Return (size, cells) weights that stretch `cells` values smoothly over `size` pixels."""
    position = (np.arange(size) + 0.5) / size * (cells - 1)
    left = np.minimum(position.astype(int), cells - 2)
    share = position - left
    share = share * share * (3.0 - 2.0 * share)
    weights = np.zeros((size, cells), dtype=np.float32)
    weights[np.arange(size), left] = 1.0 - share
    weights[np.arange(size), left + 1] = share
    return weights


def texture(rng: np.random.Generator, size: int, cells: int, columns: int | None = None) -> Array:
    """Return a smooth random field (size, size), mean 0, standard deviation about 0.7, from (cells, columns) knots."""
    columns = columns or cells
    knots = rng.standard_normal((cells, columns), dtype=np.float32)
    return _weights(cells, size) @ knots @ _weights(columns, size).T


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return (x, y, width, height) of the smallest box around `mask` in pixels, or None when the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1
