"""Copies of films among other films: mirrored, cut by 5 % at a border, re-encoded, rescaled, brighter or darker.

First the codes of the pictures and of their cuts are searched (code_search.py). Then the two pictures of each pair that is found
are laid over each other, and their detail is correlated: what is left of a picture without its coarse shades, in which all
chest films are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scripts.lib.cohort.reduced import SIDE
from scripts.lib.evidence.code_search import CodeTable
from scripts.lib.evidence.laid_over import CLOSE, correlation, rough_correlations
from scripts.lib.evidence.picture_codes import (
    BITS,
    CUTS,
    WHOLE,
    WINDOWS,
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
ALIKE = 0.8  # correlation above which a pair is laid over each other at other cuts, too: codes may name a wrong one
CUT = 0.02  # share of a side that one picture lacks, above which the table calls it cut


@dataclass(frozen=True)
class Gallery:
    """Pictures of films: `parts` are arrays uint8 (n, SIDE, SIDE), perhaps memory maps; `part`, `row` (N,) say which is whose.

    Of films with several views the arrays are (n, VIEWS, SIDE, SIDE).
    """

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

    def view(self, number: int) -> Gallery:
        """Return one view of films that have several."""
        return replace(self, parts=[pictures[:, number] for pictures in self.parts])

    def choose(self, places: np.ndarray) -> Gallery:
        """Return the films at these places."""
        return replace(self, part=self.part[places], row=self.row[places])

    def framed(self) -> np.ndarray:
        """Return, of films with two views, which differ in these, bool (N,): those that have a frame."""
        out = np.zeros(len(self), bool)
        whole, inside = self.view(0), self.view(1)
        for first in range(0, len(self), TOGETHER):
            places = np.arange(first, min(first + TOGETHER, len(self)))
            out[places] = (whole.take(places) != inside.take(places)).any(axis=(1, 2))
        return out


def find_copies_in_frames(tested: Gallery, learned: Gallery, least: float) -> pd.DataFrame:
    """Return the pairs (COLUMNS) of `find_copies` among films as they are, and among what lies inside of their frames.

    Both have two views of each film (cohort/reduced.py). Where no film of a pair has a frame it is looked at once.
    """
    tables = [find_copies(tested.view(0), learned.view(0), least)]
    of_tested, of_learned = tested.framed(), learned.framed()
    everything = np.ones(len(learned), bool)
    for first, second in ((of_tested, everything), (~of_tested, of_learned)):
        one, two = np.flatnonzero(first), np.flatnonzero(second)
        table = find_copies(tested.view(1).choose(one), learned.view(1).choose(two), least)
        places = {"tested": one[table["tested"].to_numpy(int)], "learned": two[table["learned"].to_numpy(int)]}
        tables.append(table.assign(**places))
    full = [table for table in tables if len(table)] or tables[:1]
    return _best(pd.concat(full, ignore_index=True))


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
    return _best(pd.DataFrame(rows, columns=list(COLUMNS)))


def _best(table: pd.DataFrame) -> pd.DataFrame:
    """Return each pair once, as it fits best."""
    order = table.sort_values(["tested", "learned", "correlation", "change"], ascending=[True, True, False, True])
    return order.drop_duplicates(["tested", "learned"]).reset_index(drop=True)


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
    """Return those of the pairs (n, 4) that may correlate by `least` when they are laid over each other, by number.

    Pairs that are alike and do not reach it are tried at cuts with other rows or other columns; what then reaches it has these.
    """
    values, pairs = _rough(large, small, pairs), pairs.copy()
    wanted = least - CLOSE
    doubtful = np.flatnonzero((values >= ALIKE) & (values < wanted))
    rows, columns = np.divmod(pairs[doubtful, 2], len(WINDOWS))
    for window in range(len(WINDOWS)):
        for cut, others in ((window * len(WINDOWS) + columns, rows), (rows * len(WINDOWS) + window, columns)):
            open_ = np.flatnonzero((values[doubtful] < wanted) & (others != window))
            tried = pairs[doubtful[open_]].copy()
            tried[:, 2] = cut[open_]
            found = _rough(large, small, tried)
            better = found > values[doubtful[open_]]
            values[doubtful[open_[better]]], pairs[doubtful[open_[better]]] = found[better], tried[better]
    return pairs[values >= wanted]


def _rough(large: Gallery, small: Gallery, pairs: np.ndarray) -> np.ndarray:
    """Return how well pairs (n, 4) correlate about, float32 (n,)."""
    values = np.zeros(len(pairs), np.float32)
    for kind in np.unique(pairs[:, 2:], axis=0):
        same = np.flatnonzero((pairs[:, 2:] == kind).all(axis=1))
        cut, mirror = kind.tolist()
        for first in range(0, len(same), PAIRS):
            here = same[first : first + PAIRS]
            values[here] = rough_correlations(large.take(pairs[here, 0]), small.take(pairs[here, 1]), cut, bool(mirror))
    return values
