"""Codes that are nearly the same, found without comparing all with all: a part of the code is the same in both.

A code is cut into BANDS parts. Each part is looked up in a table of the searched codes, as it is and with any of its WEAK least
certain bits turned. What shares a part is a candidate; its distance and its angle then decide. Queries are sorted by their parts
first, so that all that share one are held against all its codes at once: a candidate then costs two nanoseconds, and the work
grows nearly as the number of codes. Memory grows with the searched codes, by some 300 bytes each, and with the queries of a call.
"""

from __future__ import annotations

import numpy as np

BANDS = 4
WIDTH = 16  # bits of a band
WEAK = 4  # least certain bits of a band, which are tried both ways
MOST_DISTANT = 15  # bits that may differ
LEAST_COSINE = 0.87
AT_ONCE = 4_000_000  # candidates that are compared at once
TURNS = ((np.arange(2**WEAK)[:, None] >> np.arange(WEAK)) & 1).astype(np.uint64)


class CodeTable:
    """Codes uint64 (n,) and unit vectors float32 (n, 64) that are searched."""

    def __init__(self, codes: np.ndarray, stand: np.ndarray) -> None:
        self.codes = codes
        self.stand = stand
        self.rows: list[np.ndarray] = []
        self.sorted: list[np.ndarray] = []
        self.starts: list[np.ndarray] = []
        for band in range(BANDS):
            order, starts = _sorted(band_keys(codes, band))
            self.rows.append(order.astype(np.int32))
            self.sorted.append(codes[order])
            self.starts.append(starts)

    def near(self, codes: np.ndarray, stand: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (query, row, cosine) of all pairs that are near in distance and angle; a pair may come several times.

        The more queries a call has, the less each costs; it holds some 700 bytes of each.
        """
        found = [self._decide(stand, *self._close(codes, stand, band)) for band in range(BANDS)]
        queries, rows, cosines = (np.concatenate(part) for part in zip(*found))
        return queries, rows, cosines

    def _close(self, codes: np.ndarray, stand: np.ndarray, band: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (query, row) of the pairs that share a band, as it is or turned, and are near in distance."""
        keys = band_keys(codes, band)[:, None] ^ weak_turns(stand, band)
        order, starts = _sorted(keys.ravel())
        queries = (order >> WEAK).astype(np.int32)
        turned, held, begins = codes[queries], self.sorted[band], self.starts[band]
        shared = np.flatnonzero((np.diff(starts) > 0) & (np.diff(begins) > 0))
        firsts, seconds = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
        bounds = zip(*(ends[shared + step].tolist() for ends in (starts, begins) for step in (0, 1)))
        for first, last, start, stop in bounds:
            step = max(1, AT_ONCE // (stop - start))
            for begin in range(first, last, step):
                part = slice(begin, min(begin + step, last))
                close = np.bitwise_count(turned[part, None] ^ held[start:stop]) <= MOST_DISTANT
                if close.any():
                    one, other = close.nonzero()
                    firsts.append(queries[part][one])
                    seconds.append(self.rows[band][start:stop][other])
        return np.concatenate(firsts).astype(np.int64), np.concatenate(seconds).astype(np.int64)

    def _decide(
        self, stand: np.ndarray, queries: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        cosines = np.einsum("nk,nk->n", stand[queries], self.stand[rows])
        alike = cosines >= LEAST_COSINE
        return queries[alike], rows[alike], cosines[alike].astype(np.float32)


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
