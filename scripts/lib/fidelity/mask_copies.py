"""How far masks overlap others: intersection over union of all structures together, the mirrored mask included."""

from __future__ import annotations

import numpy as np

CHUNK = 256
SIDE = 32  # masks are held against each other at about this side


def flat_layers(fields: np.ndarray, count: int) -> np.ndarray:
    """Return masks, uint8 (n, H, W) with bits of `count` structures, as rows of 0 and 1, float32 (n, count * h * w).

    Of each block of pixels the upper left one counts, so that h is SIDE or a little more.
    """
    step = max(1, fields.shape[1] // SIDE)
    small = fields[:, ::step, ::step]
    return np.concatenate([((small >> np.uint8(bit)) & 1).reshape(len(small), -1) for bit in range(count)], 1).astype(
        np.float32
    )


def overlaps(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return intersection over union (n, m) of rows of 0 and 1; two empty rows have 1."""
    both = one @ two.T
    union = one.sum(1)[:, None] + two.sum(1)[None] - both
    return np.divide(both, union, out=np.ones_like(both), where=union > 0)


def highest_overlaps(fields: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """Return the highest overlap of each mask with any of `others`, as it is or mirrored, (n,)."""
    known = np.concatenate([flat_layers(others, count), flat_layers(others[:, :, ::-1], count)])
    parts = [flat_layers(fields[k : k + CHUNK], count) for k in range(0, len(fields), CHUNK)]
    return np.concatenate([overlaps(part, known).max(1) for part in parts])


def overlap_diversity(fields: np.ndarray, count: int) -> float:
    """Return how many different masks there are in effect: the Vendi score of their overlaps."""
    from scripts.lib.filters.proxy.diversity import vendi  # which imports torch

    rows = flat_layers(fields, count)
    return vendi(overlaps(rows, rows).astype(float))
