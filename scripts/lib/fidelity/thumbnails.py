"""Thumbnails by which copies are found; made by numpy alone, so that the search for copies starts without torch."""

from __future__ import annotations

import numpy as np

SIDE = 36  # pixels


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Return images uint8 (n, H, H) as uint8 (n, SIDE, SIDE), each pixel the mean of its surroundings."""
    weights = resizing(images.shape[-1], SIDE)
    return np.rint(np.matmul(np.matmul(weights, images.astype(np.float64)), weights.T)).astype(np.uint8)


def resizing(size: int, side: int) -> np.ndarray:
    """Return the weights (side, size) by which a line of `size` pixels becomes one of `side`: linear, antialiased."""
    reach = max(1.0, size / side)
    at = (np.arange(side) + 0.5) * size / side - 0.5
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size)) / reach)
    return weights / weights.sum(axis=1, keepdims=True)
