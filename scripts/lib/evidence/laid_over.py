"""Two reduced pictures laid over each other: how well the detail of one correlates with that of a cut of the other.

Detail is what is left of a picture without its coarse shades, in which all chest films are alike. The cut is moved and stretched
in small steps from where the codes say that it lies: start and length along the rows, then along the columns, twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from scripts.lib.cohort.reduced import SIDE
from scripts.lib.evidence.picture_codes import CUTS, WINDOWS, resampling

PROMISING = 0.35  # correlation at the place that the codes name, below which no better place is looked for
HOLD = 1.0  # standard deviations beyond which detail counts no more
FINE, COARSE = 0.7, 2.5  # pixels of SIDE: widths of the two blurs whose difference is the detail
MOVES = np.array([-0.0125, 0.0, 0.0125])  # shares of a side by which a place is mended
AXES = (0, 1, 0, 1)  # what is mended in turn: along the rows, along the columns
MARGIN = 4  # pixels at the border that are not compared: what lies there may have been cut off
INSIDE = SIDE - 2 * MARGIN
REACH = 2  # steps of MOVES that a place can go in two turns
TOGETHER = 32  # pairs that are laid over each other at once
CLOSE = 0.02  # correlation by which a rough answer may differ from the exact one

Part = tuple[float, float]  # of a side: where it starts, how long it is


def place_of(cut: int, mirror: bool) -> tuple[Part, Part]:
    """Return the rows and columns of a cut, in the mirror image where it is of that."""
    rows, columns = (WINDOWS[number] for number in CUTS[cut])
    return rows, (1 - columns[0] - columns[1], columns[1]) if mirror else columns


def correlation(large: np.ndarray, small: np.ndarray, cut: int, mirror: bool) -> tuple[float, float]:
    """Return how well the detail of `small` correlates with that of a cut of `large`, at the best place near that cut.

    Both are pictures (SIDE, SIDE). Beside it the share of a side that lies outside of that place.
    """
    wanted = _detail(small.astype(np.float64))
    source = (large[:, ::-1] if mirror else large).astype(np.float64)
    rows, columns = place_of(cut, mirror)
    parts = [rows, columns]
    best = float(_tried(source, wanted, [rows], columns)[0])
    if best < PROMISING:
        return best, 1 - min(rows[1], columns[1])
    for axis in AXES:
        start, length = parts[axis]
        places = [(start + move, length + 2 * stretch) for move in MOVES for stretch in MOVES]
        places = [part for part in places if _exists(part)]
        turned = (source, wanted, parts[1]) if axis == 0 else (source.T, wanted.T, parts[0])
        values = _tried(turned[0], turned[1], places, turned[2])
        if len(places) and values.max() > best:
            best, parts[axis] = float(values.max()), places[int(values.argmax())]
    return best, 1 - min(parts[0][1], parts[1][1])


def rough_correlations(large: np.ndarray, small: np.ndarray, cut: int, mirror: bool) -> np.ndarray:
    """Return float32 (n,): `correlation` of pairs of pictures (n, SIDE, SIDE) of one cut, in single precision and many at once.

    It differs from the exact one by rounding, which may lead to another place of nearly the same correlation (CLOSE).
    """
    parts = [
        _rough(large[first : first + TOGETHER], small[first : first + TOGETHER], cut, mirror)
        for first in range(0, len(large), TOGETHER)
    ]
    return np.concatenate([np.zeros(0, np.float32), *parts])


def _rough(large: np.ndarray, small: np.ndarray, cut: int, mirror: bool) -> np.ndarray:
    source = (large[:, :, ::-1] if mirror else large).astype(np.float32)
    detail = _unit(_inside(_detail(small.astype(np.float64)))).astype(np.float32)
    upright = detail.reshape(-1, INSIDE, INSIDE)
    # By axis: the pictures with that axis first, and what is wanted of them.
    sources = (source, np.ascontiguousarray(source.transpose(0, 2, 1)))
    wanted = (detail, np.ascontiguousarray(upright.transpose(0, 2, 1)).reshape(len(detail), -1))
    tables = [_steps(part) for part in place_of(cut, mirror)]
    middle = REACH * (2 * REACH + 1) + REACH
    at = [np.full(len(source), middle), np.full(len(source), middle)]
    best = _of_places(sources[0], wanted[0], tables[0][0][at[0]][:, None], tables[1][0][at[1]])[:, 0]
    open_ = np.flatnonzero(best >= PROMISING)
    for axis in AXES:
        along, other = at[axis][open_], at[1 - axis][open_]
        matrices, exists = tables[axis]
        tried = along[:, None] + _AROUND
        values = _of_places(sources[axis][open_], wanted[axis][open_], matrices[tried], tables[1 - axis][0][other])
        values = np.where(exists[tried], values, -1)
        first = values.argmax(axis=1)
        most = values[np.arange(len(open_)), first]
        better = most > best[open_]
        best[open_] = np.where(better, most, best[open_])
        at[axis][open_] = np.where(better, tried[np.arange(len(open_)), first], along)
    return best


# What a place may become in one turn, as steps in the table of _steps: start and length one step up or down.
_AROUND = np.array([move * (2 * REACH + 1) + stretch for move in (-1, 0, 1) for stretch in (-1, 0, 1)])


@lru_cache(maxsize=64)
def _steps(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Return the places that a part of a side can become, by start, then length.

    float32 (places, INSIDE, 2 * SIDE): cut to it and blurred narrowly, then widely; bool (places,): whether there is such a place.
    """
    step, far = float(MOVES[-1]), range(-REACH, REACH + 1)
    places = [(part[0] + step * move, part[1] + 2 * step * stretch) for move in far for stretch in far]
    exists = np.array([_exists(place) for place in places])
    blurred = np.stack([_blurred(*(place if found else part)) for place, found in zip(places, exists)])
    inner = blurred[:, :, MARGIN:-MARGIN].transpose(0, 2, 1, 3).reshape(len(places), INSIDE, 2 * SIDE)
    return inner.astype(np.float32), exists


def _exists(part: Part) -> bool:
    return part[0] > -1e-9 and part[0] + part[1] < 1 + 1e-9


def _of_places(source: np.ndarray, wanted: np.ndarray, tops: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Return float32 (n, k): how well `wanted` (n, INSIDE²) correlates with the detail of each source at k places.

    source (n, SIDE, SIDE); tops (n, k, INSIDE, 2 * SIDE): the places of its rows; side (n, INSIDE, 2 * SIDE): that of its columns
    """
    count, places = tops.shape[:2]
    narrow, wide = (np.matmul(source, side[:, :, part].transpose(0, 2, 1)) for part in (slice(SIDE), slice(SIDE, None)))
    reads = np.concatenate([narrow, -wide], axis=1)  # the wide one is taken off
    detail = np.matmul(tops.reshape(count, places * INSIDE, 2 * SIDE), reads).reshape(count, places, INSIDE**2)
    detail -= detail.mean(axis=2, keepdims=True)
    size = detail.shape[2]
    width = np.sqrt(np.einsum("nkp,nkp->nk", detail, detail) / size)[..., None]
    np.clip(detail, -HOLD * width, HOLD * width, out=detail)
    sums = detail.sum(axis=2)
    length = np.sqrt(np.maximum(np.einsum("nkp,nkp->nk", detail, detail) - sums**2 / size, 0))
    alike = np.matmul(detail, wanted[:, :, None])[..., 0]  # the mean of `wanted` is 0
    flat = (width[..., 0] <= 1e-4) | (length <= 1e-4)  # rounding alone, beside grey values of up to 255
    return np.where(flat, 0, alike / np.where(flat, 1, length)).astype(np.float32)


def _tried(source: np.ndarray, wanted: np.ndarray, rows: Sequence[Part], columns: Part) -> np.ndarray:
    """Return the correlation (n,) of `wanted` with the detail of `source`, cut to each of these parts of its rows."""
    fine, coarse = _blurred(*columns)
    tops = [_blurred(*part) for part in rows]
    detail = np.stack([top[0] for top in tops]) @ (source @ fine.T)
    detail -= np.stack([top[1] for top in tops]) @ (source @ coarse.T)
    return _unit(_inside(detail)) @ _unit(_inside(wanted)[None])[0]


@lru_cache(maxsize=4096)
def _blurred(start: float, length: float) -> np.ndarray:
    """Return float64 (2, SIDE, SIDE): cut a side to a part and blur it narrowly, and widely."""
    return np.matmul(_blurs(), resampling(start, length))


@cache
def _blurs() -> np.ndarray:
    distance = np.arange(SIDE)[:, None] - np.arange(SIDE)
    blurs = [np.exp(-0.5 * (distance / width) ** 2) for width in (FINE, COARSE)]
    return np.stack([blur / blur.sum(axis=1, keepdims=True) for blur in blurs])


def _detail(picture: np.ndarray) -> np.ndarray:
    """Return what pictures (..., SIDE, SIDE) have between the two blurs."""
    fine, coarse = (blur @ picture @ blur.T for blur in _blurs())
    return fine - coarse


def _inside(detail: np.ndarray) -> np.ndarray:
    """Return details (..., SIDE, SIDE) without the border."""
    return detail[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def _unit(detail: np.ndarray) -> np.ndarray:
    """Return details (n, height * width) with mean 0 and length 1; zeros where there is none.

    What stands out far is held back: else frames and collimator edges, which many films share, would decide.
    """
    flat = detail.reshape(len(detail), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    width = np.sqrt(np.einsum("nk,nk->n", flat, flat) / flat.shape[1])[:, None]
    held = np.clip(flat, -HOLD * width, HOLD * width)
    held -= held.mean(axis=1, keepdims=True)
    size = np.sqrt(np.einsum("nk,nk->n", held, held))[:, None]
    return np.where(width > 1e-6, held / np.maximum(size, 1e-12), 0)
