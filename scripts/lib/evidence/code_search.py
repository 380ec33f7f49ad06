"""Codes that are nearly the same, found without comparing all with all: a part of the code is the same in both.

A code is cut into BANDS parts. Each part is looked up in a table of the searched codes, as it is and with any of its WEAK least
certain bits turned. What shares a part is a candidate; its distance and its angle then decide. Memory grows with the searched
codes alone, by some 270 bytes each.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BANDS = 4
WIDTH = 16  # bits of a band
WEAK = 4  # least certain bits of a band, which are tried both ways
MOST_DISTANT = 15  # bits that may differ
LEAST_COSINE = 0.87
AT_ONCE = 4_000_000  # candidates in memory
TURNS = ((np.arange(2**WEAK)[:, None] >> np.arange(WEAK)) & 1).astype(np.uint64)


class CodeTable:
    """Codes uint64 (n,) and unit vectors float32 (n, 64) that are searched."""

    def __init__(self, codes: np.ndarray, stand: np.ndarray) -> None:
        self.codes = codes
        self.stand = stand
        self.rows: list[np.ndarray] = []
        self.starts: list[np.ndarray] = []
        for band in range(BANDS):
            keys = band_keys(codes, band)
            order = np.argsort(keys, kind="stable")
            self.rows.append(order.astype(np.int32))
            self.starts.append(np.searchsorted(keys[order], np.arange(2**WIDTH + 1)))

    def near(self, codes: np.ndarray, stand: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (query, row, cosine) of all pairs that are near in distance and angle; a pair may come several times."""
        found = [self._decide(codes, stand, *pair) for pair in self._candidates(codes, stand)]
        queries, rows, cosines = (np.concatenate(part) for part in zip(*found)) if found else (np.empty(0),) * 3
        return queries.astype(np.int64), rows.astype(np.int64), cosines.astype(np.float32)

    def _candidates(self, codes: np.ndarray, stand: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for band in range(BANDS):
            keys = band_keys(codes, band)[:, None] ^ weak_turns(stand, band)
            first = self.starts[band][keys]
            counts = self.starts[band][keys + 1] - first
            query, turn = np.nonzero(counts)
            first, counts = first[query, turn], counts[query, turn]
            ends = np.cumsum(counts)
            place = 0
            while place < len(counts):
                before = ends[place - 1] if place else 0
                stop = max(place + 1, int(np.searchsorted(ends, before + AT_ONCE, side="right")))
                part = counts[place:stop]
                offsets = np.arange(part.sum()) - np.repeat(np.cumsum(part) - part, part)
                yield (
                    np.repeat(query[place:stop], part),
                    self.rows[band][np.repeat(first[place:stop], part) + offsets],
                )
                place = stop

    def _decide(
        self, codes: np.ndarray, stand: np.ndarray, queries: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        close = np.bitwise_count(codes[queries] ^ self.codes[rows]) <= MOST_DISTANT
        queries, rows = queries[close], rows[close]
        cosines = np.einsum("nk,nk->n", stand[queries], self.stand[rows])
        alike = cosines >= LEAST_COSINE
        return queries[alike], rows[alike], cosines[alike]


def band_keys(codes: np.ndarray, band: int) -> np.ndarray:
    """Return the bits of one band of codes uint64 (n,), as numbers int64 (n,)."""
    return ((codes >> np.uint64(WIDTH * band)) & np.uint64(2**WIDTH - 1)).astype(np.int64)


def weak_turns(stand: np.ndarray, band: int) -> np.ndarray:
    """Return int64 (n, 2**WEAK): every way to turn the WEAK bits of a band that lie nearest to their medians."""
    certain = np.abs(stand[:, WIDTH * band : WIDTH * (band + 1)])
    weakest = np.argpartition(certain, WEAK, axis=1)[:, :WEAK].astype(np.uint64)
    return ((np.uint64(1) << weakest) @ TURNS.T).astype(np.int64)
