"""Codes that are nearly the same, found without comparing all with all: a part of the code is the same in both.

A code is cut into BANDS parts. The table holds each searched code under each of its parts, as it is and with any of the WEAK
least certain bits of the part turned. A query looks up its own parts: what shares one is a candidate, and distance and angle
then decide. Turning the searched codes instead of the queries costs 16 entries of each code once, where a film has 50 queries.
Queries are sorted by their parts first, so that all that share one are held against all its codes at once: a candidate then
costs two nanoseconds. Memory is some 550 bytes a searched code and 260 a query, however many candidates there are.
"""

from __future__ import annotations

import numpy as np

BANDS = 4
WIDTH = 16  # bits of a band
WEAK = 4  # least certain bits of a band, which are tried both ways
MOST_DISTANT = 15  # bits that may differ
LEAST_COSINE = 0.87
AT_ONCE = 4_000_000  # candidates that are compared at once
DECIDED = 500_000  # pairs near in distance whose angle is computed at once
TURNS = ((np.arange(2**WEAK)[:, None] >> np.arange(WEAK)) & 1).astype(np.uint64)
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # query, row, cosine


class CodeTable:
    """Codes uint64 (n,) and unit vectors float32 (n, 64) that are searched."""

    def __init__(self, codes: np.ndarray, stand: np.ndarray) -> None:
        self.codes = codes
        self.stand = stand
        self.rows: list[np.ndarray] = []
        self.starts: list[np.ndarray] = []
        for band in range(BANDS):
            keys = band_keys(codes, band)[:, None] ^ weak_turns(stand, band)
            order, starts = _sorted(keys.ravel())
            self.rows.append((order >> WEAK).astype(np.int32))
            self.starts.append(starts)

    def near(self, codes: np.ndarray, stand: np.ndarray) -> Pairs:
        """Return (query, row, cosine) of all pairs that are near in distance and angle; a pair may come several times.

        The more queries a call has, the less each costs.
        """
        by_band = [self._near_by(codes, stand, band) for band in range(BANDS)]
        queries, rows, cosines = (np.concatenate(part) for part in zip(*by_band))
        return queries, rows, cosines

    def _near_by(self, codes: np.ndarray, stand: np.ndarray, band: int) -> Pairs:
        """Return the pairs that share a band."""
        order, starts = _sorted(band_keys(codes, band))
        queries, asked = order.astype(np.int32), codes[order]
        rows, begins = self.rows[band], self.starts[band]
        shared = np.flatnonzero((np.diff(starts) > 0) & (np.diff(begins) > 0))
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        near: list[Pairs] = [self._decide(stand, [])]
        count = 0
        bounds = zip(*(ends[shared + step].tolist() for ends in (starts, begins) for step in (0, 1)))
        for first, last, start, stop in bounds:
            here = rows[start:stop]
            held = self.codes[here]
            step = max(1, AT_ONCE // len(here))
            for begin in range(first, last, step):
                part = slice(begin, min(begin + step, last))
                one, other = (np.bitwise_count(asked[part, None] ^ held) <= MOST_DISTANT).nonzero()
                if len(one):
                    waiting.append((queries[part][one], here[other]))
                    count += len(one)
                if count >= DECIDED:
                    near.append(self._decide(stand, waiting))
                    waiting, count = [], 0
        near.append(self._decide(stand, waiting))
        pairs, learned, cosines = (np.concatenate(part) for part in zip(*near))
        return pairs, learned, cosines

    def _decide(self, stand: np.ndarray, waiting: list[tuple[np.ndarray, np.ndarray]]) -> Pairs:
        """Return those of the pairs (query, row) whose angle is small."""
        none = np.zeros(0, np.int64)
        queries, rows = (np.concatenate(part, dtype=np.int64) for part in zip(*[(none, none), *waiting]))
        kept: list[Pairs] = [(none, none, np.zeros(0, np.float32))]
        for first in range(0, len(queries), DECIDED):
            one, other = queries[first : first + DECIDED], rows[first : first + DECIDED]
            cosines = np.einsum("nk,nk->n", stand[one], self.stand[other])
            alike = cosines >= LEAST_COSINE
            kept.append((one[alike], other[alike], cosines[alike].astype(np.float32)))
        pairs, learned, near = (np.concatenate(part) for part in zip(*kept))
        return pairs, learned, near


def _sorted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of keys below 2**WIDTH, and where each of them starts in it."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    return order, np.r_[0, np.cumsum(np.bincount(keys, minlength=2**WIDTH))]


def band_keys(codes: np.ndarray, band: int) -> np.ndarray:
    """Return the bits of one band of codes uint64 (n,), as numbers int64 (n,)."""
    return ((codes >> np.uint64(WIDTH * band)) & np.uint64(2**WIDTH - 1)).astype(np.int64)


def weak_turns(stand: np.ndarray, band: int) -> np.ndarray:
    """Return int64 (n, 2**WEAK): every way to turn the WEAK bits of a band that lie nearest to their medians."""
    certain = np.abs(stand[:, WIDTH * band : WIDTH * (band + 1)])
    weakest = np.argpartition(certain, WEAK, axis=1)[:, :WEAK].astype(np.uint64)
    return ((np.uint64(1) << weakest) @ TURNS.T).astype(np.int64)
