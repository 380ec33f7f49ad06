"""Which rows and which random numbers a training step uses: a function of seed and step alone, so runs can resume."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from scripts.lib.core.seeds import derive_seed, rng

if TYPE_CHECKING:
    import torch


@lru_cache(maxsize=4)
def _epoch_order(seed: int, name: str, epoch: int, count: int) -> np.ndarray:
    return rng(seed, name, "epoch", epoch).permutation(count)


def batch_rows(seed: int, name: str, batch: int, size: int, count: int) -> np.ndarray:
    """Return the row numbers, int64 (size,), of batch number `batch` out of `count` rows.

    Batches walk through shuffled epochs without gaps: every row is used once before any is used again.
    """
    places = np.arange(batch * size, (batch + 1) * size)
    epochs, within = np.divmod(places, count)
    rows = np.empty(size, dtype=np.int64)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        rows[here] = _epoch_order(seed, name, int(epoch), count)[within[here]]
    return rows


def batch_noise(seed: int, name: str, batch: int) -> torch.Generator:
    """Return the CPU generator of all random numbers of batch number `batch`."""
    import torch

    return torch.Generator("cpu").manual_seed(derive_seed(seed, name, "batch", batch))
