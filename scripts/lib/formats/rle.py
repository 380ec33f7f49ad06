"""Run-length masks: the three codings in use, which must not be mistaken for each other.

SIIM-ACR and CANDID-PTX: pairs (gap, length), each gap counted from the end of the run before, pixels column by column.
CheXmask: pairs (start, length), starts absolute and from 1, pixels row by row.
CheXlocalize: COCO's, lengths of runs of 0 and 1 in turn, pixels column by column, written as text of five bits a sign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.lib.core.errors import InputError
from scripts.lib.formats.record import Notes, Rejected
from scripts.lib.formats.tables import is_missing

Mask = NDArray[np.bool_]
OVERLAPPING = "films with run lengths that overlap, united"
UNSORTED = "films with run lengths out of order"
UNITED = "films with several mask rows that overlap, united"
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")  # any of these fits into 64 bits


def is_empty(text: str) -> bool:
    """Whether a cell says "no mask": "-1" (with or without blanks, or as a float), NaN, or nothing."""
    return text.strip() in ("-1", "-1.0") or is_missing(text)


def filled_runs(cells: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the run-length texts of all rows of one image, repeats dropped; raises InputError for "-1" beside a mask."""
    filled = tuple(dict.fromkeys(cell.strip() for cell in cells if not is_empty(cell)))
    if filled and len([cell for cell in cells if is_empty(cell)]) > 0:
        raise InputError(f"{where}: one row says -1 (no mask) and another one gives a mask; keep one of the two")
    return filled


def _pairs(text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    words = text.split()
    if len(words) % 2:
        raise Rejected(f"run lengths: odd count of {len(words)} numbers, expected pairs")
    for word in words:
        # int() would take 1_0, and digits of other scripts.
        if not WHOLE.fullmatch(word):
            raise Rejected(f"run lengths: {word[:20]!r} is not a whole number of pixels")
    numbers = np.array([int(word) for word in words], dtype=np.int64)
    starts, lengths = numbers[::2], numbers[1::2]
    if len(numbers) and numbers.min() < 0:
        raise Rejected(f"run lengths: negative number {numbers.min()}")
    if len(lengths) and lengths.min() == 0:
        raise Rejected(f"run lengths: run {int(lengths.argmin()) + 1} has no pixel")
    return starts, lengths


def _paint(starts: NDArray[np.int64], lengths: NDArray[np.int64], count: int) -> Mask:
    """Return a flat mask (count,) with the runs set; raises Rejected when a run leaves the image."""
    if len(starts):
        ends = starts + lengths
        if starts.min() < 0:
            raise Rejected(f"run lengths: a run starts at pixel {starts.min()}, before the image")
        if starts.max() >= count:
            raise Rejected(f"run lengths: a run starts at pixel {starts.max()}, beyond the image of {count}")
        if ends.max() > count:
            raise Rejected(f"run lengths: a run ends at pixel {ends.max()}, past the end of the image of {count}")
    steps = np.zeros(count + 1, dtype=np.int32)
    np.add.at(steps, starts, 1)
    np.add.at(steps, starts + lengths, -1)
    return np.cumsum(steps[:-1], dtype=np.int32) > 0


def _bounded(total: np.ndarray, count: int) -> None:
    """Raise Rejected before a sum of hostile gaps could overflow."""
    if len(total) and total.max() > count:
        raise Rejected(f"run lengths: number {total.max()} is larger than the image of {count} pixels")


def decode_relative(text: str, shape: tuple[int, int], base: int = 0) -> Mask:
    """Return the mask bool (H, W) of a SIIM or CANDID text; `base` is the number of the first pixel, 0 or 1."""
    height, width = shape
    gaps, lengths = _pairs(text)
    _bounded(gaps, height * width + base)
    _bounded(lengths, height * width)
    ends = np.cumsum(gaps + lengths) - base
    return np.ascontiguousarray(_paint(ends - lengths, lengths, height * width).reshape(width, height).T)


def decode_absolute(text: str, shape: tuple[int, int], notes: Notes | None = None) -> Mask:
    """Return the mask bool (H, W) of a CheXmask text; runs that overlap or are out of order are drawn, and noted."""
    height, width = shape
    starts, lengths = _pairs(text)
    _bounded(starts, height * width + 1)
    _bounded(lengths, height * width)
    if notes is not None:
        _note_disorder(starts, lengths, notes)
    return _paint(starts - 1, lengths, height * width).reshape(height, width)


def coco_counts(text: str, count: int) -> list[int]:
    """Return COCO's compressed runs as lengths of 0 and 1 in turn; their sum is `count`.

    From the third on the text holds the difference to the run before the last. Raises Rejected for a text that is none.
    """
    runs: list[int] = []
    value = shift = 0
    for sign in text:
        code = ord(sign) - 48
        if not 0 <= code < 64:
            raise Rejected(f"run lengths: {sign!r} is no sign of COCO's text")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift or min(runs, default=-1) < 0 or sum(runs) != count:
        raise Rejected(f"run lengths: runs of {sum(runs)} pixels for a mask of {count}, or cut off")
    return runs


def decode_counts(runs: Sequence[int], shape: tuple[int, int]) -> Mask:
    """Return the mask bool (H, W) of lengths of 0 and 1 in turn, column by column."""
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(flat.reshape(shape[1], shape[0]).T)


def _note_disorder(starts: NDArray[np.int64], lengths: NDArray[np.int64], notes: Notes) -> None:
    order = np.argsort(starts, kind="stable")
    if (np.diff(starts) < 0).any():
        notes.add(UNSORTED)
    if (starts[order][1:] < (starts + lengths)[order][:-1]).any():
        notes.add(OVERLAPPING)


def unite(parts: Sequence[Mask], notes: Notes) -> Mask:
    """Return the union of the masks bool (H, W) of one film's rows; rows that overlap are noted."""
    union = np.logical_or.reduce(parts)
    if sum(int(part.sum()) for part in parts) > int(union.sum()):
        notes.add(UNITED)
    return union


def _runs(flat: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
    return edges[::2], edges[1::2] - edges[::2]


def encode_relative(mask: Mask, base: int = 0) -> str:
    """Return the SIIM text of a mask bool (H, W), "-1" for an empty one."""
    starts, lengths = _runs(mask.T.ravel())
    if not len(starts):
        return "-1"
    before = np.concatenate([[0], (starts + lengths)[:-1]])
    gaps = starts - before
    gaps[0] += base
    return " ".join(f"{gap} {length}" for gap, length in zip(gaps, lengths, strict=True))


def encode_absolute(mask: Mask) -> str:
    """Return the CheXmask text of a mask bool (H, W), "" for an empty one."""
    starts, lengths = _runs(mask.ravel())
    return " ".join(f"{start + 1} {length}" for start, length in zip(starts, lengths, strict=True))
