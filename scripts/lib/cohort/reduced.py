"""Films reduced to SIDE x SIDE pixels, in which copies are searched: a small file beside a cohort, in the order of its rows.

Each film is there twice: as it is, and without its frame, which is what padding to a square, a black border or a letterbox adds. A
copy that was cut and then made square again has another frame than its film, and the same picture inside.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import npy_header
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError

SIDE = 64  # pixels; 8 KiB a film
VIEWS = 2  # of a film: as it is, and inside its frame
FRAME = 12  # grey values between which a row or column of pixels counts as frame: JPEG leaves a few on a black border
LEAST_INSIDE = 0.5  # share of a side that must be left, or the picture is no film with a frame
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


def reduce_views(images: np.ndarray) -> np.ndarray:
    """Return pictures uint8 (n, VIEWS, SIDE, SIDE) of images uint8 (n, H, W): as they are, and inside their frames.

    Both are equal where a film has no frame.
    """
    whole = reduce_images(images)
    views = np.stack([whole, whole], axis=1)
    for number, image in enumerate(images):
        top, bottom, left, right = inside(image)
        if (bottom - top, right - left) != image.shape:
            views[number, 1] = reduce_images(image[None, top:bottom, left:right])[0]
    return views


def inside(image: np.ndarray) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of an image uint8 (H, W) without its frame; the whole where too little would be left."""
    box = [0, image.shape[0], 0, image.shape[1]]
    for _ in range(2):  # bars at the sides hide those above and below, and the other way round
        for axis in (1, 0):
            part = image[box[0] : box[1], box[2] : box[3]]
            wide = np.flatnonzero(part.max(axis=axis, initial=0).astype(int) - part.min(axis=axis, initial=255) > FRAME)
            if not len(wide):
                return 0, image.shape[0], 0, image.shape[1]
            place = 0 if axis else 2
            box[place : place + 2] = box[place] + int(wide[0]), box[place] + int(wide[-1]) + 1
    least = [LEAST_INSIDE * length for length in image.shape]
    fits = box[1] - box[0] >= least[0] and box[3] - box[2] >= least[1]
    return (box[0], box[1], box[2], box[3]) if fits else (0, image.shape[0], 0, image.shape[1])


def _areas(length: int) -> np.ndarray:
    """Return weights float32 (SIDE, length): how much of each pixel lies in each of SIDE equal parts of a side."""
    edges = np.linspace(0, length, SIDE + 1)
    pixels = np.arange(length)
    inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(inside, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def write_reduced(cohort: Cohort, out: Path) -> None:
    """Write the pictures of all films, uint8 (N, VIEWS, SIDE, SIDE), as .npy; memory does not grow with the cohort."""
    with atomic_file(out) as path, path.open("wb") as stream:
        stream.write(npy_header((len(cohort), VIEWS, SIDE, SIDE)))
        for first in range(0, len(cohort), BLOCK):
            stream.write(reduce_views(cohort.images(slice(first, first + BLOCK))).tobytes())


def open_reduced(path: Path, count: int) -> np.ndarray:
    """Return the pictures of a cohort of `count` films, as a memory map; raises InputError for any other file."""
    try:
        pictures = np.load(path, mmap_mode="r" if count else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not readable ({error}); make it anew with reduce_films") from None
    if pictures.dtype != np.uint8 or pictures.shape != (count, VIEWS, SIDE, SIDE):
        raise InputError(
            f"{path}: {pictures.dtype} {pictures.shape}, expected {count} times {VIEWS} pictures of {SIDE} x {SIDE} pixels, those of "
            "the cohort's index; make it anew with reduce_films"
        )
    return pictures
