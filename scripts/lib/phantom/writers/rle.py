"""Run-length encodings of masks, as the datasets write them (the readers decode them with code of their own)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def runs(flat: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts (0-based) and lengths of the runs of True in a flat mask."""
    edges = np.diff(np.concatenate(([0], flat.astype(np.int8), [0])))
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts


def encode_relative(mask: NDArray[np.bool_]) -> str:
    """Encode `mask` (H, W) column by column as "offset length" pairs; each offset counts from the end of the run before.

    This is the form of SIIM-ACR and CANDID-PTX; the first offset is 0-based. An empty mask gives "-1".
    """
    starts, lengths = runs(np.asarray(mask, dtype=bool).ravel(order="F"))
    if starts.size == 0:
        return "-1"
    offsets = starts.copy()
    offsets[1:] -= (starts + lengths)[:-1]
    return " ".join(f"{offset} {length}" for offset, length in zip(offsets, lengths, strict=True))


def encode_absolute(mask: NDArray[np.bool_]) -> str:
    """Encode `mask` (H, W) row by row as "start length" pairs with 1-based starts; an empty mask gives "" (CheXmask)."""
    starts, lengths = runs(np.asarray(mask, dtype=bool).ravel(order="C"))
    return " ".join(f"{start + 1} {length}" for start, length in zip(starts, lengths, strict=True))
