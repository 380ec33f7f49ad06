"""From stored DICOM values to display values: padding, modality, VOI and presentation tables (PS3.3 C.11.1, C.11.2, C.11.4).

What differs on purpose from pydicom's apply_modality_lut, apply_voi_lut and apply_presentation_lut:

| here | pydicom | reason |
|---|---|---|
| values start at HighBit + 1 - BitsStored | at bit 0 | PS3.5 8.1.1; the bits below may hold an overlay |
| padding is black, and no end of a stretch | padding is a grey value | PS3.3 C.7.5.1.1.2: it is no part of the film |
| MONOCHROME1 is inverted, after the VOI step | never inverted | bright bones in every film |
| PresentationLUTShape only confirms PhotometricInterpretation; if they contradict, the film is refused | INVERSE inverts | in DX both say the same thing (PS3.3 C.8.11.3.1.2), and readers differ in which of two they believe |
| a presentation table spreads over the range of the window | over that of the film | PS3.3 C.11.4: its input is the output range of the VOI step |
| a missing RescaleSlope or RescaleIntercept is 1 or 0 | without one of them neither counts | the neutral value of the one that is missing |
| RescaleSlope 0, no number, or so small or large for its intercept that double precision loses steps is refused | applied | grey values are lost |
| a table's entries have 1 to 16 bits, or the film is refused | 8 or 10 to 16, or an error | PS3.3 C.11.1.1.1 |
| the VOI table takes rounded values | cut towards zero | rescaling may end between two entries |
| 8-bit entries may lie two to a word | error | PS3.3 C.11.1.1.1 allows 8 bits allocated |
| a LINEAR window of width 1 or less, or another one of width 0 or less, is not used | two grey levels, or an error | what is left is no film |
| a window after which nothing is left to see is refused | one grey level | what is left is no film |
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scripts.lib.formats.record import Rejected

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UNUSED = "DICOM films whose window or VOI table is none, not used"
# Beyond these a slope, or an intercept for its slope, leaves no steps between grey values in double precision.
LEAST_SLOPE, LARGEST_SLOPE, LARGEST_SHIFT = 1e-12, 1e12, 2.0**40
DEEPEST = 16  # bits of a table's entries


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


def padding_of(values: NDArray[np.int32], pixels: NDArray, dataset: Dataset, native: bool) -> NDArray[np.bool_] | None:
    """Return where the stored values are padding, bool (H, W), or None without padding in this image.

    `values` are what `stored_values` made of `pixels`. The element is one word of 16 bits, read by the pixels' sign. A
    value that BitsStored cannot hold is no grey value of the film: it counts only where a whole uncompressed word is
    equal to it, unused bits included.
    """
    start = dataset.get("PixelPaddingValue")
    if not isinstance(start, int):
        return None
    low, limit = _as_stored(start, dataset), dataset.get("PixelPaddingRangeLimit", start)
    high = _as_stored(limit, dataset) if isinstance(limit, int) else None
    if low is not None:
        high = low if high is None else high
        where = (values >= min(low, high)) & (values <= max(low, high))
    elif native and int(dataset.BitsStored) < int(dataset.BitsAllocated) and -(1 << 15) <= start < 1 << 16:
        word = (1 << int(dataset.BitsAllocated)) - 1
        where = (pixels.astype(np.int64) & word) == (start & 0xFFFF)
    else:
        return None
    return where if where.any() else None


def _as_stored(number: int, dataset: Dataset) -> int | None:
    """Return a 16-bit header value with the sign of the pixels, None when BitsStored bits cannot hold it."""
    if not -(1 << 15) <= number < 1 << 16:
        return None
    signed, stored = int(dataset.get("PixelRepresentation", 0)) == 1, int(dataset.BitsStored)
    value = number & 0xFFFF
    if not signed:
        return value if value < 1 << stored else None
    value -= (value & 0x8000) << 1
    return value if -(1 << (stored - 1)) <= value < 1 << (stored - 1) else None


def modality(values: NDArray[np.int32], dataset: Dataset) -> NDArray:
    """Return the values after the modality table or the rescaling; a missing intercept is 0, a missing slope 1."""
    if dataset.get("ModalityLUTSequence"):
        return look_up(values, dataset.ModalityLUTSequence[0], _order(dataset))
    slope, intercept = _first(dataset.get("RescaleSlope", 1.0)), _first(dataset.get("RescaleIntercept", 0.0))
    if dataset.get("RescaleSlope", 1.0) is None or not np.isfinite(slope) or slope == 0:
        raise Rejected(f"RescaleSlope is {dataset.get('RescaleSlope')}, expected a number other than 0")
    if not np.isfinite(intercept):
        raise Rejected(f"RescaleIntercept is {dataset.get('RescaleIntercept')}, expected a number")
    if not LEAST_SLOPE <= abs(slope) <= LARGEST_SLOPE or abs(intercept) > LARGEST_SHIFT * abs(slope):
        raise Rejected(f"RescaleSlope {slope:g} and RescaleIntercept {intercept:g} leave no steps between grey values")
    if slope == 1.0 and intercept == int(intercept) and abs(intercept) < 1 << 30:
        return values + np.int32(intercept) if intercept else values
    # In double precision: a large intercept would cost single precision the steps between grey values.
    return values * np.float64(slope) + np.float64(intercept)


def display(values: NDArray, dataset: Dataset, notes: Counter[str]) -> tuple[NDArray, tuple[float, float] | None]:
    """Return the values after the VOI table or window, and their (black, white), or None when the file names none.

    A table without entries and a window that is none are noted (UNUSED).
    """
    item = (dataset.get("VOILUTSequence") or [None])[0]
    if item is not None and item.get("LUTDescriptor") is not None and item.get("LUTData") is not None:
        return look_up(np.round(values).astype(np.int64), item, _order(dataset)), None
    given = [dataset.get(name) for name in ("WindowCenter", "WindowWidth")]
    centre, width = map(_first, given)
    if not np.isfinite(centre) or not np.isfinite(width):
        notes[UNUSED] += item is not None or any(value not in (None, "") for value in given)
        return values, None
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise Rejected(f"VOILUTFunction {function} is not supported")
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1.0
    if width <= 0:
        notes[UNUSED] += 1
        return values, None
    # Single precision has 24 bits: enough for the grey values of 16, not for those that a large intercept moves away.
    values = values.astype(np.float32 if abs(centre) + width < 1 << 17 else np.float64)
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -80, 80))), (0.0, 1.0)
    low, high = centre - width / 2, centre + width / 2
    return np.clip(values, low, high), (low, high)


def presentation(
    values: NDArray, ends: tuple[float, float] | None, valid: NDArray[np.bool_] | None, dataset: Dataset
) -> tuple[NDArray, tuple[float, float]] | None:
    """Return the values after the presentation table (PS3.3 C.11.4) with their (black, white), None without a table.

    The table's entries are spread evenly over the range that comes in: that of the window, else that of the film.
    """
    if not dataset.get("PresentationLUTSequence"):
        return None
    item = dataset.PresentationLUTSequence[0]
    table, bits = _table(item, _order(dataset)), int(item.LUTDescriptor[2])
    used = values if valid is None else values[valid]
    low, high = ends or (float(used.min()), float(used.max()))
    if low == high:
        raise Rejected(f"constant image, every pixel is {low:g}")
    entry = np.clip((values.astype(np.float64) - low) * ((len(table) - 1) / (high - low)), 0, len(table) - 1)
    return (table & ((1 << bits) - 1))[entry.astype(np.int64)], (0.0, float((1 << bits) - 1))


def look_up(values: NDArray, item: Dataset, order: str) -> NDArray:
    """Return the values through a DICOM lookup table (LUTDescriptor, LUTData); ends extend beyond the table."""
    table, first = _table(item, order), int(item.LUTDescriptor[1])
    return table[np.clip(values.astype(np.int64) - first, 0, len(table) - 1)]


def _order(dataset: Dataset) -> str:
    """Return the byte order of the file, "<" or ">", in which words of VR OW are left by the parser."""
    return "<" if dataset.original_encoding[1] else ">"


def _table(item: Dataset, order: str) -> NDArray[np.int32]:
    """Return the entries of a lookup table; 8-bit entries may lie two to a word of VR OW."""
    descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
    if descriptor is None or data is None:
        raise Rejected("lookup table without LUTDescriptor or LUTData")
    if np.size(descriptor) != 3 or not 1 <= int(descriptor[2]) <= DEEPEST:
        raise Rejected(f"LUTDescriptor is {descriptor}, expected entries, first value, and bits from 1 to {DEEPEST}")
    count, bits = int(descriptor[0]) or 1 << 16, int(descriptor[2])
    if not isinstance(data, bytes):
        table = np.atleast_1d(np.asarray(data, dtype=np.int64))
    elif bits <= 8 and len(data) == count + count % 2:
        words = np.frombuffer(data, dtype=f"{order}u2").astype("<u2")
        table = words.view(np.uint8)
    else:
        table = np.frombuffer(data[: len(data) // 2 * 2], dtype=f"{order}u2")
    if len(table) < count:
        raise Rejected(f"lookup table of {len(table)} entries, its descriptor says {count}")
    return table[:count].astype(np.int32)
