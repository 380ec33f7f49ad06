"""From stored DICOM values to display values: padding, modality and VOI tables (DICOM PS3.3 C.11.1 and C.11.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scripts.lib.formats.record import Rejected

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def _first(value: Any) -> float:
    """Return the first of one or several DICOM numbers as a float, NaN when it is none."""
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        value = value[0] if len(value) else None
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def stored_values(pixels: NDArray, dataset: Dataset, native: bool) -> NDArray[np.int32]:
    """Return the stored values int32 (H, W): bits beyond BitsStored cut off, the sign bit of signed pixels spread.

    Only uncompressed data keep their HighBit; a decoder returns values that start at bit 0.
    """
    allocated, stored = int(dataset.BitsAllocated), int(dataset.get("BitsStored", dataset.BitsAllocated))
    high = int(dataset.get("HighBit", stored - 1))
    if not 1 <= stored <= allocated or not stored - 1 <= high < allocated or allocated > 16:
        raise Rejected(f"bits do not fit: {stored} stored of {allocated} allocated, highest {high}")
    values = pixels.astype(np.int32)
    if native:
        values = values >> (high + 1 - stored)
    return _in_range(values, dataset)


def _in_range(values: NDArray, dataset: Dataset) -> NDArray:
    """Return integers cut to BitsStored bits, two's complement where the pixels are signed."""
    stored = int(dataset.get("BitsStored", dataset.BitsAllocated))
    values = values & ((1 << stored) - 1)
    if int(dataset.get("PixelRepresentation", 0)) == 1:
        sign = 1 << (stored - 1)
        values = (values ^ sign) - sign
    return values


def padding_of(values: NDArray[np.int32], dataset: Dataset) -> NDArray[np.bool_] | None:
    """Return where the stored values are padding, bool (H, W), or None without padding in this image."""
    start = dataset.get("PixelPaddingValue")
    if start is None:
        return None
    ends = (start, dataset.get("PixelPaddingRangeLimit", start))
    if not all(isinstance(end, int) for end in ends):
        return None
    # The header may write the value with or without the bits and the sign that the pixels were given above.
    ends = [int(_in_range(np.int64(end), dataset)) for end in ends]
    where = (values >= min(ends)) & (values <= max(ends))
    return where if where.any() else None


def modality(values: NDArray[np.int32], dataset: Dataset) -> NDArray:
    """Return the values after the modality table or the rescaling; a missing intercept is 0, a missing slope 1."""
    if dataset.get("ModalityLUTSequence"):
        return look_up(values, dataset.ModalityLUTSequence[0])
    slope, intercept = _first(dataset.get("RescaleSlope", 1.0)), _first(dataset.get("RescaleIntercept", 0.0))
    if dataset.get("RescaleSlope", 1.0) is None or not np.isfinite(slope) or slope == 0:
        raise Rejected(f"RescaleSlope is {dataset.get('RescaleSlope')}, expected a number other than 0")
    if not np.isfinite(intercept):
        raise Rejected(f"RescaleIntercept is {dataset.get('RescaleIntercept')}, expected a number")
    if slope == 1.0 and intercept == int(intercept):
        return values + np.int32(intercept) if intercept else values
    return values * np.float32(slope) + np.float32(intercept)


def display(values: NDArray, dataset: Dataset) -> tuple[NDArray, tuple[float, float] | None]:
    """Return the values after the VOI table or window, and their (black, white), or None when the file names none."""
    if dataset.get("VOILUTSequence"):
        table = look_up(np.round(values).astype(np.int64), dataset.VOILUTSequence[0])
        return table, None
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if not np.isfinite(centre) or not np.isfinite(width):
        return values, None
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1.0
    if width <= 0:
        return values, None
    if function == "SIGMOID":
        scaled = np.clip(-4.0 * (values.astype(np.float32) - centre) / width, -80, 80)
        return 1.0 / (1.0 + np.exp(scaled)), (0.0, 1.0)
    low, high = centre - width / 2, centre + width / 2
    return np.clip(values.astype(np.float32), low, high), (low, high)


def look_up(values: NDArray, item: Dataset) -> NDArray:
    """Return the values through a DICOM lookup table (LUTDescriptor, LUTData); ends extend beyond the table."""
    descriptor = [int(number) for number in item.LUTDescriptor]
    count, first = descriptor[0] or 1 << 16, descriptor[1]
    data = item.LUTData
    table = np.frombuffer(data, dtype="<u2") if isinstance(data, bytes) else np.asarray(data, dtype=np.int64)
    if len(table) < count:
        raise Rejected(f"lookup table of {len(table)} entries, its descriptor says {count}")
    return table[np.clip(values.astype(np.int64) - first, 0, count - 1)].astype(np.int32)
