"""How much higher than wide a film's pixels are, by its own tags.

Films are shown, and networks see them, as if pixels were square; where a file says that they are not, the film is made
square-pixelled when it is brought to the study's resolution, and this is noted. The tags of a PNG or JPEG count like
those of a DICOM file: equal densities say nothing, but nobody writes unequal ones without need.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from scripts.lib.formats.record import Rejected

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# PS3.3 10.7.1 and C.7.6.3.1.7: both numbers are (between rows, between columns), so (height, width) of a pixel.
DICOM_TAGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
NEARLY = 0.01  # densities are rounded to whole numbers; a hundredth is no more than half a pixel of 64
LARGEST = 3.0
TURNED = (5, 6, 7, 8)  # EXIF orientations that swap rows and columns
UNKNOWN = "DICOM films whose header names a pixel spacing without two numbers, taken for square"


def of_dicom(dataset: Dataset, notes: Counter[str]) -> float:
    """Return the height of a pixel over its width, 1.0 where no tag gives both.

    0 twice stands for "not known", as does one number alone; if no other tag says more, that is noted. Raises Rejected
    for a length that no pixel has (below 0, 0 beside another, no number), and for a ratio beyond LARGEST.
    """
    unknown = 0
    for name in DICOM_TAGS:
        value = dataset.get(name)
        ratio = _ratio(value)
        if ratio is not None:
            return _checked(ratio, name)
        if _impossible(value):
            raise Rejected(f"{name} is {_shown(value)}, expected two lengths above 0")
        unknown |= value is not None and _shown(value) != ""
    notes[UNKNOWN] += unknown
    return 1.0


def _impossible(value: Any) -> bool:
    """Whether a tag holds two numbers or more of which one is no length."""
    numbers = _numbers(value)
    return len(numbers) > 1 and any(numbers) and not all(0 < one < math.inf for one in numbers)


def _numbers(value: Any) -> list[float]:
    """Return the numbers of a tag, NaN for what is none; a single one or text has none."""
    if value is None or isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        return []
    numbers = []
    for one in value:
        try:
            numbers.append(float(one))
        except (TypeError, ValueError):
            numbers.append(math.nan)
    return numbers


def _shown(value: Any) -> str:
    parts = [value] if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) else value
    return "\\".join(str(part) for part in parts)[:80]


def of_raster(picture: Image.Image) -> float:
    """Return the height of a pixel over its width by pHYs or JFIF density, of the picture as its EXIF tag turns it."""
    info = picture.info
    name = "JFIF density" if picture.format == "JPEG" else "pHYs"
    density = info.get("jfif_density") if picture.format == "JPEG" else info.get("dpi", info.get("aspect"))
    # Densities are dots a length: the first number, across, is over the width of a pixel.
    ratio = _ratio(density)
    if ratio is None:
        return 1.0
    if picture.getexif().get(0x0112, 1) in TURNED:
        ratio = 1.0 / ratio
    return _checked(ratio, name)


def _ratio(pair: Any) -> float | None:
    """Return the first of two positive numbers over the second, None for anything else."""
    numbers = _numbers(pair)
    if len(numbers) != 2 or not all(0 < one < math.inf for one in numbers):
        return None
    return numbers[0] / numbers[1]


def _checked(ratio: float, name: str) -> float:
    if not 1 / LARGEST <= ratio <= LARGEST:
        raise Rejected(f"{name} says pixels {ratio:.3g} times as high as wide, which no film has")
    return 1.0 if abs(ratio - 1.0) <= NEARLY else ratio
