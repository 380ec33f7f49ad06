"""The order in which a trial takes images of a pool from elsewhere: every multiplier is a prefix of the next, each with the pool's shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scripts.lib.core.seeds import rng


def balanced_order(kinds: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return an order of n images of whole numbers `kinds` (n,) in which every prefix has the shares of the whole, nearly.

    The images of a kind are shuffled, and the k-th of its s images stands at (k + 1/2) / s of the way; so of each kind a prefix
    holds its share to within one image. Another seed is another order of the same images.
    """
    stream = rng(seed, "pool", "order")
    shuffled = stream.permutation(len(kinds))
    place = np.empty(len(kinds))
    for kind in np.unique(kinds):
        mine = shuffled[kinds[shuffled] == kind]
        place[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    # Images at the same place follow in the shuffled order, so that no kind always comes first.
    return shuffled[np.argsort(place[shuffled], kind="stable")].astype(np.int64)


def kinds_of(columns: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return one number for each combination of values in the columns (n, L), NaN for unknown; (n,)."""
    if not len(columns):
        return np.zeros(0, np.int64)
    _, kinds = np.unique(np.nan_to_num(columns, nan=2.0), axis=0, return_inverse=True)
    return kinds.reshape(-1).astype(np.int64)
