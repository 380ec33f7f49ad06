"""Copies of films among other films: mirrored, cut by 5 % at a border, re-encoded, rescaled, brighter or darker.

First the codes of the pictures and of their cuts are searched (code_search.py). Then the two pictures of each pair that is found
are laid over each other, and their detail is correlated: what is left of a picture without its coarse shades, in which all
chest films are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.lib.cohort.reduced import SIDE
from scripts.lib.evidence.code_search import CodeTable
from scripts.lib.evidence.laid_over import CLOSE, correlation, rough_correlations
from scripts.lib.evidence.picture_codes import (
    BITS,
    CUTS,
    WHOLE,
    CoefficientSpread,
    codes_of,
    coefficients,
    mirrored,
    spread_of,
    standing,
)

COLUMNS = ("tested", "learned", "correlation", "change")
SAMPLE = 20_000  # pictures that say how coefficients are spread
BLOCK = 256  # pictures whose cuts are computed at once
TOGETHER = 16384  # pictures whose cuts are searched at once, some 14 kB each
PAIRS = 512  # pairs that are laid over each other at once
CUT = 0.02  # share of a side that one picture lacks, above which the table calls it cut


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
            for first, second, cut, mirror in _promising(large, small, pairs, least).tolist():
                pair = (second, first) if turned else (first, second)
                if pair in known:
                    continue
                pictures = large.take(np.array([first]))[0], small.take(np.array([second]))[0]
                value, lost = correlation(*pictures, cut, bool(mirror))
                if value >= least:
                    known.add(pair)
                    rows.append((*pair, round(value, 3), _change(lost, bool(mirror))))
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
            codes = coefficients(large.take(start + places), cuts=True)[:, WHOLE if whole else 1 :]
            both = np.stack([codes, mirrored(codes)], axis=2)  # film, cut, mirrored
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
    """Return those of the pairs (n, 4) that may correlate by `least` when they are laid over each other, by number."""
    kept = [np.zeros(0, np.int64)]
    for kind in np.unique(pairs[:, 2:], axis=0):
        same = np.flatnonzero((pairs[:, 2:] == kind).all(axis=1))
        cut, mirror = kind.tolist()
        for first in range(0, len(same), PAIRS):
            here = same[first : first + PAIRS]
            values = rough_correlations(large.take(pairs[here, 0]), small.take(pairs[here, 1]), cut, bool(mirror))
            kept.append(here[values >= least - CLOSE])
    return pairs[np.sort(np.concatenate(kept))]
