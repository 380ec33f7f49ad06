"""Copies of films among other films: mirrored, cut by 5 % at a border, re-encoded, rescaled, brighter or darker.

First the codes of the pictures and of their cuts are searched (code_search.py). Then the two pictures of each pair that is found
are laid over each other, and their detail is correlated: what is left of a picture without its coarse shades, in which all
chest films are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import pandas as pd

from scripts.lib.cohort.reduced import SIDE
from scripts.lib.evidence.code_search import CodeTable
from scripts.lib.evidence.picture_codes import (
    BITS,
    CUTS,
    WHOLE,
    WINDOWS,
    CoefficientSpread,
    codes_of,
    coefficients,
    mirrored,
    resampling,
    spread_of,
    standing,
)

COLUMNS = ("tested", "learned", "correlation", "change")
SAMPLE = 20_000  # pictures that say how coefficients are spread
BLOCK = 256  # pictures whose cuts are computed at once
TOGETHER = 8192  # pictures whose cuts are searched at once, some 50 kB each
PAIRS = 512  # pairs that are laid over each other at once
PROMISING = 0.35  # correlation at the place that the codes name, below which no better place is looked for
HOLD = 1.0  # standard deviations beyond which detail counts no more
FINE, COARSE = 0.7, 2.5  # pixels of SIDE: widths of the two blurs whose difference is the detail
MOVES = np.array([-0.0125, 0.0, 0.0125])  # shares of a side by which a place is mended
CUT = 0.02  # share of a side that one picture lacks, above which the table calls it cut
MARGIN = 4  # pixels at the border that are not compared: what lies there may have been cut off


Part = tuple[float, float]  # of a side: where it starts, how long it is


@dataclass(frozen=True)
class Gallery:
    """Pictures of films: `parts` are arrays uint8 (n, SIDE, SIDE), perhaps memory maps; `part`, `row` (N,) say which is whose."""

    parts: Sequence[np.ndarray]
    part: np.ndarray
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def take(self, places: np.ndarray) -> np.ndarray:
        """Return the pictures at these places, uint8 (n, SIDE, SIDE)."""
        out = np.empty((len(places), SIDE, SIDE), np.uint8)
        for number, pictures in enumerate(self.parts):
            here = np.flatnonzero(self.part[places] == number)
            out[here] = pictures[self.row[places[here]]]
        return out


def find_copies(tested: Gallery, learned: Gallery, least: float) -> pd.DataFrame:
    """Return the pairs (COLUMNS) of places in `tested` and `learned` whose detail correlates by `least` or more.

    `change` says how the one comes from the other: same, mirrored, cut, mirrored and cut. A picture of one grey value is no
    copy of anything. The pairs do not depend on how the work is cut up; they are in the order of `tested`, then `learned`.
    """
    if not len(tested) or not len(learned):
        return pd.DataFrame(columns=list(COLUMNS))
    halves = [_whole(gallery, SAMPLE // 2) for gallery in (tested, learned)]
    spread = spread_of(np.concatenate(halves))
    forward = _near(tested, learned, spread, whole=True)
    backward = _near(learned, tested, spread, whole=False)
    rows: list[tuple[int, int, float, str]] = []
    known: set[tuple[int, int]] = set()
    for blocks, large, small, turned in ((forward, tested, learned, False), (backward, learned, tested, True)):
        for pairs in blocks:
            for first, second, cut, mirror in _promising(large, small, pairs, min(least, PROMISING)).tolist():
                place = (second, first) if turned else (first, second)
                if place in known:
                    continue
                pictures = large.take(np.array([first]))[0], small.take(np.array([second]))[0]
                value, lost = _correlation(*pictures, cut, bool(mirror))
                if value >= least:
                    known.add(place)
                    rows.append((*place, round(value, 3), _change(lost, bool(mirror))))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    best = table.sort_values(["tested", "learned", "correlation", "change"], ascending=[True, True, False, True])
    return best.drop_duplicates(["tested", "learned"]).reset_index(drop=True)


def _whole(gallery: Gallery, most: int) -> np.ndarray:
    """Return the coefficients (n, BITS) of the first `most` whole pictures."""
    return np.concatenate([coefficients(part, cuts=False)[:, 0] for _, part in _blocks(gallery, most)])


def _near(large: Gallery, small: Gallery, spread: CoefficientSpread, whole: bool) -> Iterator[np.ndarray]:
    """Yield int (n, 4): place in large, place in small, cut of the large one, whether mirrored; for each pair what fits best.

    `whole`: with the whole picture among the cuts.
    """
    stand = np.empty((len(small), BITS), np.float32)
    for places, pictures in _blocks(small, len(small)):
        stand[places] = standing(coefficients(pictures, cuts=False)[:, 0], spread)
    table = CodeTable(codes_of(stand), stand)
    each = 2 * (len(CUTS) - (not whole))
    for start in range(0, len(large), TOGETHER):
        count = min(TOGETHER, len(large) - start)
        queries = np.empty((count, each, BITS), np.float32)
        for first in range(0, count, BLOCK):
            places = np.arange(first, min(first + BLOCK, count))
            found = coefficients(large.take(start + places), cuts=True)[:, WHOLE if whole else 1 :]
            both = np.stack([found, mirrored(found)], axis=2)  # film, cut, mirrored
            queries[places] = standing(both.reshape(len(places), each, BITS), spread)
        flat = queries.reshape(-1, BITS)
        query, row, cosine = table.near(codes_of(flat), flat)
        order = np.lexsort((query, -cosine, row, query // each))
        query, row = query[order], row[order]
        film = query // each
        begins = np.ones(len(film), bool)
        begins[1:] = (film[1:] != film[:-1]) | (row[1:] != row[:-1])
        rest = query[begins] % each
        yield np.stack([start + film[begins], row[begins], rest // 2 + (not whole), rest % 2], axis=1)


def _blocks(gallery: Gallery, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    count = min(most, len(gallery))
    for first in range(0, count, BLOCK):
        places = np.arange(first, min(first + BLOCK, count))
        yield places, gallery.take(places)


def _change(lost: float, mirror: bool) -> str:
    words = (["mirrored"] if mirror else []) + (["cut"] if lost > CUT else [])
    return " and ".join(words) or "same"


def _promising(large: Gallery, small: Gallery, pairs: np.ndarray, least: float) -> np.ndarray:
    """Return those of the pairs (n, 4) whose detail correlates by `least` at the place that the codes name, by number."""
    kept = [np.zeros(0, np.int64)]
    for kind in np.unique(pairs[:, 2:], axis=0):
        same = np.flatnonzero((pairs[:, 2:] == kind).all(axis=1))
        part_of_rows, part_of_columns, mirror = _place(*kind.tolist())
        for first in range(0, len(same), PAIRS):
            here = same[first : first + PAIRS]
            source = large.take(pairs[here, 0]).astype(np.float64)
            wanted = _detail(small.take(pairs[here, 1]).astype(np.float64))
            source = source[:, :, ::-1] if mirror else source
            (row_fine, row_coarse), (fine, coarse) = _blurred(*part_of_rows), _blurred(*part_of_columns)
            detail = row_fine @ source @ fine.T - row_coarse @ source @ coarse.T
            alike = np.einsum("nk,nk->n", _unit(_inside(detail)), _unit(_inside(wanted)))
            kept.append(here[alike >= least - 1e-9])  # sums in another order than that of a single pair
    return pairs[np.sort(np.concatenate(kept))]


def _place(cut: int, mirror: int) -> tuple[Part, Part, bool]:
    """Return the rows and columns of a cut, in the mirror image where it is of that."""
    rows, columns = (WINDOWS[number] for number in CUTS[cut])
    return rows, (1 - columns[0] - columns[1], columns[1]) if mirror else columns, bool(mirror)


def _correlation(large: np.ndarray, small: np.ndarray, cut: int, mirror: bool) -> tuple[float, float]:
    """Return how well the detail of `small` correlates with that of a cut of `large`, at the best place near that cut.

    Beside it the share of a side that lies outside of that place.
    """
    wanted = _detail(small.astype(np.float64))
    source = (large[:, ::-1] if mirror else large).astype(np.float64)
    rows, columns, _ = _place(cut, mirror)
    parts = [rows, columns]
    best = float(_tried(source, wanted, [rows], columns)[0])
    if best < PROMISING:
        return best, 1 - min(rows[1], columns[1])
    # Start and length of the part along the rows, then along the columns, twice.
    for axis in (0, 1, 0, 1):
        start, length = parts[axis]
        places = [(start + move, length + 2 * stretch) for move in MOVES for stretch in MOVES]
        places = [(start, length) for start, length in places if start > -1e-9 and start + length < 1 + 1e-9]
        turned = (source, wanted, parts[1]) if axis == 0 else (source.T, wanted.T, parts[0])
        values = _tried(turned[0], turned[1], places, turned[2])
        if len(places) and values.max() > best:
            best, parts[axis] = float(values.max()), places[int(values.argmax())]
    return best, 1 - min(parts[0][1], parts[1][1])


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
