"""Films reduced to SIDE x SIDE pixels, in which copies are searched: a small file beside a cohort, in the order of its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import npy_header
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError

SIDE = 64  # pixels; 4 KiB a film
BLOCK = 256  # films in memory at once


def reduce_images(images: np.ndarray) -> np.ndarray:
    """Return pictures uint8 (n, SIDE, SIDE), each pixel the mean of its area, of images uint8 (n, H, W) of any size."""
    count, height, width = images.shape
    if height % SIDE == 0 and width % SIDE == 0:
        down = images.reshape(count, SIDE, height // SIDE, width).sum(axis=2, dtype=np.uint32)
        sums = down.reshape(count, SIDE, SIDE, width // SIDE).sum(axis=3, dtype=np.uint32)
        return np.rint(sums / ((height // SIDE) * (width // SIDE))).astype(np.uint8)
    rows, columns = (_areas(length) for length in (height, width))
    small = np.matmul(np.matmul(rows, images.astype(np.float32)), columns.T)
    return np.rint(small).astype(np.uint8)


def _areas(length: int) -> np.ndarray:
    """Return weights float32 (SIDE, length): how much of each pixel lies in each of SIDE equal parts of a side."""
    edges = np.linspace(0, length, SIDE + 1)
    pixels = np.arange(length)
    inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(inside, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def write_reduced(cohort: Cohort, out: Path) -> None:
    """Write the pictures of all films, uint8 (N, SIDE, SIDE), as .npy; memory does not grow with the cohort."""
    with atomic_file(out) as path, path.open("wb") as stream:
        stream.write(npy_header((len(cohort), SIDE, SIDE)))
        for first in range(0, len(cohort), BLOCK):
            stream.write(reduce_images(cohort.images(slice(first, first + BLOCK))).tobytes())


def open_reduced(path: Path, count: int) -> np.ndarray:
    """Return the pictures of a cohort of `count` films, as a memory map; raises InputError for any other file."""
    try:
        pictures = np.load(path, mmap_mode="r" if count else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not readable ({error}); make it anew with reduce_films") from None
    if pictures.dtype != np.uint8 or pictures.shape != (count, SIDE, SIDE):
        raise InputError(
            f"{path}: {pictures.dtype} {pictures.shape}, expected {count} pictures of {SIDE} x {SIDE} pixels, those of the "
            "cohort's index; make it anew with reduce_films"
        )
    return pictures
