"""How much higher than wide a film's pixels are, by its own tags.

Films are shown, and networks see them, as if pixels were square; where a file says that they are not, the film is made
square-pixelled when it is brought to the study's resolution, and this is noted. The tags of a PNG or JPEG count like
those of a DICOM file: equal densities say nothing, but nobody writes unequal ones without need.
"""

from __future__ import annotations

import math
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


def of_dicom(dataset: Dataset) -> float:
    """Return the height of a pixel over its width, 1.0 where no tag gives both; raises Rejected beyond LARGEST."""
    for name in DICOM_TAGS:
        ratio = _ratio(dataset.get(name))
        if ratio is not None:
            return _checked(ratio, name)
    return 1.0


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
    if pair is None or isinstance(pair, (str, bytes)) or not isinstance(pair, Sequence | tuple) or len(pair) != 2:
        return None
    try:
        first, second = float(pair[0]), float(pair[1])
    except (TypeError, ValueError):
        return None
    if not (0 < first < math.inf and 0 < second < math.inf):
        return None
    return first / second


def _checked(ratio: float, name: str) -> float:
    if not 1 / LARGEST <= ratio <= LARGEST:
        raise Rejected(f"{name} says pixels {ratio:.3g} times as high as wide, which no film has")
    return 1.0 if abs(ratio - 1.0) <= NEARLY else ratio
