"""Small pictures of films for the check page, as text that a page can hold: films, masks drawn on films, files not taken."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.lib.cohort.store import Cohort
from scripts.lib.formats import dicom, raster
from scripts.lib.formats.record import Rejected

# Okabe and Ito's colours, which people with any colour vision can tell apart; each structure also has its name.
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2", "#FFFFFF")
QUALITY = 70
SIDE = 160


def data_uri(image: np.ndarray, side: int = SIDE) -> str:
    """Return a picture uint8 (h, w) or (h, w, 3) as a JPEG in a data URI, its longer side at most `side`."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def film(cohort: Cohort, row: int) -> str:
    """Return a film of a cohort."""
    return data_uri(cohort.images([row])[0])


def masked_film(cohort: Cohort, row: int) -> str:
    """Return a film with the outline of each structure drawn on it, in the structure's colour."""
    image = np.repeat(cohort.images([row])[0][..., None], 3, axis=2)
    field = cohort.masks([row])[0]
    for bit in range(len(cohort.structures)):
        image[outline((field >> bit) & 1 == 1)] = _rgb(COLOURS[bit % len(COLOURS)])
    return data_uri(image)


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask, bool (h, w), that have a neighbour outside of it, above, below, left or right."""
    inner = np.pad(mask, 1, constant_values=False)
    return mask & ~(inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:])


def file_picture(root: Path, name: str, max_pixels: int) -> str | None:
    """Return the picture of a file that was not taken; None where nothing can be seen of it."""
    path = root / name
    try:
        data = path.read_bytes()
        reader = dicom.read_film if path.suffix.lower() in (".dcm", ".dicom") else raster.read_film
        return data_uri(np.ascontiguousarray(reader(data, max_pixels, (0, 100))[0]))
    except (Rejected, OSError, ValueError, MemoryError):
        return None


def spread_rows(count: int, wanted: int) -> Sequence[int]:
    """Return up to `wanted` of `count` rows, evenly spread, the first one first."""
    return (
        list(dict.fromkeys(np.linspace(0, count - 1, min(count, wanted)).round().astype(int).tolist())) if count else []
    )


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
