"""Grey values of more than 8 bits brought to 8: a linear stretch between two percentiles, the extremes by default."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.lib.formats.record import Rejected

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # grey of red, green and blue, ITU-R BT.601


def to_8bit(
    values: NDArray, percentiles: Sequence[float] = (0, 100), valid: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Return uint8 (H, W): `percentiles` of the values become 0 and 255, linear between; pixels not `valid` become 0.

    Raises Rejected for a constant image and for values that are not finite.
    """
    used = values if valid is None else values[valid]
    if used.size == 0:
        raise Rejected("constant image, every pixel is padding")
    if used.dtype.kind == "f" and not np.isfinite(used).all():
        raise Rejected("pixel values that are not finite")
    low, high = (float(used.min()), float(used.max()))
    if low == high:
        raise Rejected(f"constant image, every pixel is {low:g}")
    if tuple(percentiles) != (0, 100):
        inner = np.percentile(used, percentiles)
        low, high = (inner[0], inner[1]) if inner[0] < inner[1] else (low, high)
    # Double precision stays until the offset is gone, which single precision might not survive.
    above = values - low if values.dtype == np.float64 else values.astype(np.float32) - np.float32(low)
    scaled = above.astype(np.float32) * np.float32(255.0 / (high - low))
    out = np.clip(scaled + np.float32(0.5), 0, 255).astype(np.uint8)
    if valid is not None:
        out[~valid] = 0
    return out
