"""A 64-bit code of a reduced picture that a copy of it shares nearly, and the codes that its crops and mirror image have.

The code holds the signs of the 64 lowest cosine coefficients, each against its median over many films: all chest films have
the same large features, and signs against zero would say no more than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from scripts.lib.cohort.reduced import SIDE

BITS = 64
LIMIT = 3.0  # standard deviations at which one coefficient stops to count more
# Parts of a side (start, length) that a picture may have been cut to: 5 % off one border, half of it or all of it off both.
WINDOWS = ((0.0, 1.0), (0.0, 0.95), (0.05, 0.95), (0.025, 0.95), (0.05, 0.9))
CUTS = [(row, column) for row in range(len(WINDOWS)) for column in range(len(WINDOWS))]
WHOLE = 0  # the place in CUTS of the whole picture


@dataclass(frozen=True)
class CoefficientSpread:
    """How the coefficients of films are spread: median and standard deviation of each, float32 (BITS,)."""

    middle: np.ndarray
    width: np.ndarray


@cache
def _frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Return row and column frequency of each coefficient, (BITS,) each: the lowest by their sum, the mean left out."""
    pairs = sorted((i + j, i, j) for i in range(SIDE) for j in range(SIDE))[1 : BITS + 1]
    # Dealt out in turn, so that each quarter of the code holds low and high ones.
    pairs = [pair for start in range(4) for pair in pairs[start::4]]
    return np.array([i for _, i, _ in pairs]), np.array([j for _, _, j in pairs])


def resampling(start: float, length: float) -> np.ndarray:
    """Return float64 (SIDE, SIDE): by it a part of a side, stretched to the whole side, is read from the pixels (linear)."""
    places = (start + length * (np.arange(SIDE) + 0.5) / SIDE) * SIDE - 0.5
    places = np.clip(places, 0, SIDE - 1)
    left = np.floor(places).astype(int)
    matrix = np.zeros((SIDE, SIDE))
    matrix[np.arange(SIDE), left] += 1 - (places - left)
    matrix[np.arange(SIDE), np.minimum(left + 1, SIDE - 1)] += places - left
    return matrix


@cache
def _waves() -> np.ndarray:
    """Return float32 (windows, frequencies, SIDE): the cosines of each window of a side."""
    top = int(np.max(_frequencies())) + 1
    angles = np.pi * np.outer(np.arange(top), np.arange(SIDE) + 0.5) / SIDE
    cosines = np.cos(angles) * np.sqrt(2 / SIDE)
    return np.stack([cosines @ resampling(*window) for window in WINDOWS]).astype(np.float32)


def ranks(pictures: np.ndarray) -> np.ndarray:
    """Return, for each pixel of pictures uint8 (n, SIDE, SIDE), the mean rank of its grey value in its picture, float32.

    Brightness, contrast and gamma change no rank, as long as they keep grey values apart.
    """
    count = len(pictures)
    places = np.arange(count)[:, None] * 256 + pictures.reshape(count, -1)
    sizes = np.bincount(places.ravel(), minlength=count * 256).reshape(count, 256)
    middle = (np.cumsum(sizes, axis=1) - (sizes - 1) / 2).astype(np.float32)
    return middle.ravel()[places].reshape(pictures.shape)


def coefficients(pictures: np.ndarray, cuts: bool) -> np.ndarray:
    """Return the coefficients float32 (n, cuts, BITS) of the ranks of pictures uint8 (n, SIDE, SIDE), of variance 1.

    `cuts`: of all CUTS of each picture; else of the whole picture alone. A constant picture has zeros.
    """
    grey = ranks(pictures)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    grey /= np.maximum(grey.std(axis=(1, 2), keepdims=True), 1e-6)
    rows, columns = _frequencies()
    waves = _waves() if cuts else _waves()[:1]
    windows, top = waves.shape[:2]
    flat = waves.reshape(-1, SIDE)
    both = np.matmul(np.matmul(flat, grey), flat.T).reshape(len(grey), windows, top, windows, top)
    picked = both.transpose(0, 1, 3, 2, 4)[:, :, :, rows, columns]
    return picked.reshape(len(grey), windows * windows, BITS)


def mirrored(coefficient: np.ndarray) -> np.ndarray:
    """Return the coefficients of the left-right mirror images: odd waves along a row change their sign."""
    return coefficient * np.where(_frequencies()[1] % 2, -1, 1).astype(np.float32)


def spread_of(found: np.ndarray) -> CoefficientSpread:
    """Return the spread of coefficients (n, BITS) of whole pictures; it does not depend on their order."""
    found = np.sort(found.astype(np.float64), axis=0)
    middle = np.median(found, axis=0)
    width = np.sqrt(np.mean((found - middle) ** 2, axis=0))
    return CoefficientSpread(middle.astype(np.float32), np.maximum(width, 1e-6).astype(np.float32))


def standing(coefficient: np.ndarray, spread: CoefficientSpread) -> np.ndarray:
    """Return where films stand among others: unit vectors float32 (..., BITS), each coefficient against its spread."""
    stands = np.clip((coefficient - spread.middle) / spread.width, -LIMIT, LIMIT)
    return stands / np.maximum(np.linalg.norm(stands, axis=-1, keepdims=True), 1e-6)


def codes_of(stand: np.ndarray) -> np.ndarray:
    """Return the codes uint64 (...,) of unit vectors (..., BITS): bit k is set where coefficient k is above its median."""
    packed = np.packbits(stand > 0, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64)[..., 0]
