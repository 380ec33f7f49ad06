"""PNG and JPEG films and masks, told apart by their content and never by their name."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scripts.lib.errors import InputError
from scripts.lib.formats.intensity import to_8bit
from scripts.lib.formats.record import Rejected

ROTATED = "films turned upright by their EXIF tag"
COLOUR = "colour films turned to grey"
DEEP = "16-bit films scaled to 8 bits"
SOFT = "soft-edged JPEG masks cut at half height"
UNKNOWN = "an unknown format"
KINDS = {
    b"GIF8": "GIF",
    b"RIFF": "WebP",
    b"<svg": "SVG",
    b"<?xm": "SVG or XML",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"vers": "Git LFS pointer text",
    b"<!DO": "HTML page",
    b"<htm": "HTML page",
    b"PK": "ZIP archive",
}


def is_raster(data: bytes) -> bool:
    """Whether the bytes begin like a PNG or a JPEG."""
    return data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def kind_of(data: bytes) -> str:
    """Return a guess at what a file is that is neither PNG nor JPEG nor DICOM, for messages."""
    return next((name for start, name in KINDS.items() if data.startswith(start)), UNKNOWN)


def open_raster(data: bytes, max_pixels: int) -> Image.Image:
    """Return the decoded picture; raises Rejected for another format, a bomb, an animation, or a cut file."""
    if not is_raster(data):
        raise Rejected(f"not a PNG or JPEG file but {kind_of(data)}")
    try:
        picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        width, height = picture.size
        if width * height > max_pixels:
            raise Rejected(f"{width} x {height} pixels, more than max_pixels {max_pixels}")
        if getattr(picture, "n_frames", 1) > 1 and picture.format == "PNG":
            raise Rejected(f"{picture.n_frames} frames, expected a single film")
        picture.load()
    except Rejected:
        raise
    except Exception as error:  # Pillow raises many kinds for broken files, and each means the same to us
        raise Rejected(f"cannot be decoded: {type(error).__name__}: {error}") from None
    return picture


def read_film(data: bytes, max_pixels: int, percentiles: Sequence[float]) -> tuple[NDArray[np.uint8], Counter[str]]:
    """Return a film as grey uint8 (H, W), upright, and notes of what was normalised; deep grey is scaled, never clipped."""
    notes: Counter[str] = Counter()
    picture = open_raster(data, max_pixels)
    upright = ImageOps.exif_transpose(picture)
    if upright.size != picture.size or picture.getexif().get(0x0112, 1) != 1:
        notes[ROTATED] += 1
    if upright.mode.startswith("I") or upright.mode == "F":
        notes[DEEP] += 1
        return to_8bit(np.asarray(upright).astype(np.float32), percentiles), notes
    if upright.mode not in ("L", "1"):
        notes[COLOUR] += 1
    grey = np.array(_grey(upright))
    if grey.min() == grey.max():
        raise Rejected(f"constant image, every pixel is {grey.flat[0]}")
    return grey, notes


def _grey(picture: Image.Image) -> Image.Image:
    """Return the picture in mode L; what is transparent shows as black."""
    if picture.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("L")
    return picture.convert("L")


def read_mask(
    data: bytes,
    max_pixels: int,
    values: Mapping[str, int],
    ignored: Sequence[int],
    structure: str,
    where: str,
) -> tuple[dict[str, NDArray[np.bool_]], Counter[str]]:
    """Return {structure: bool (H, W)} of a mask picture, and notes.

    With `values` each structure has its own grey value, and 0 and `ignored` are background; without, the picture is one
    binary mask (0/1 or 0/255) of `structure`. A JPEG's soft edges are cut at 128. Other values raise InputError.
    """
    notes: Counter[str] = Counter()
    picture = open_raster(data, max_pixels)
    array = _mask_array(ImageOps.exif_transpose(picture), where)
    found = set(np.unique(array).tolist())
    if values:
        allowed = {0, *values.values(), *ignored}
        if not found <= allowed:
            raise InputError(_odd_values(where, found - allowed, sorted(allowed)))
        return {name: array == value for name, value in values.items()}, notes
    if found <= {0, 1} or found <= {0, 255}:
        return {structure: array > 0}, notes
    if picture.format == "JPEG" and max(found) <= 255:
        notes[SOFT] += 1
        return {structure: array >= 128}, notes
    raise InputError(_odd_values(where, found - {0, 255}, [0, 255]))


def _mask_array(picture: Image.Image, where: str) -> np.ndarray:
    array = np.asarray(picture)
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.ndim == 3:
        colours = array[..., :3] if picture.mode in ("RGB", "RGBA") else array[..., :1]
        spread = int(np.ptp(colours, axis=2).max())
        if spread > (0 if picture.format != "JPEG" else 16):
            raise InputError(f"{where}: coloured mask; expected one grey channel")
        return colours[..., 0]
    return array


def _odd_values(where: str, odd: set[int], allowed: list[int]) -> str:
    shown = ", ".join(str(value) for value in sorted(odd)[:5])
    return f"{where}: mask holds the values {shown}; expected {allowed}; declare them in reader.mask_values or mask_ignored"
