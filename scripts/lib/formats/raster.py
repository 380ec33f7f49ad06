"""PNG and JPEG films and masks, told apart by their content and never by their name."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scripts.lib.core.errors import InputError
from scripts.lib.formats import aspect, codestream, png_rows
from scripts.lib.formats.deep import deep_samples, is_deep
from scripts.lib.formats.intensity import LUMA, to_8bit
from scripts.lib.formats.mask_pictures import check_soft, grey_values
from scripts.lib.formats.record import Rejected, reason_of

ROTATED = "films turned upright by their EXIF tag"
COLOUR = "colour films turned to grey"
DEEP = "16-bit films scaled to 8 bits"
GAMMA = "PNG films whose gAMA tag asks for another gamma than 1/2.2, grey values kept as they are"
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
    """Return the decoded picture; raises Rejected for another format, a bomb, an animation, or a cut file.

    Its `info["deep"]` says whether it has 16 bits a sample that Pillow has shortened to 8.
    """
    if not is_raster(data):
        raise Rejected(f"not a PNG or JPEG file but {kind_of(data)}")
    try:
        picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        width, height = picture.size
        if width * height > max_pixels:
            raise Rejected(f"{width} x {height} pixels, more than max_pixels {max_pixels}")
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and picture.format == "PNG":
            raise Rejected(f"{frames} frames, expected a single film")
        deep = is_deep(picture)
        picture.load()
        picture.info["deep"] = deep
        if picture.format == "PNG":
            png_rows.check_whole(data, picture)
        else:
            _check_whole(data, picture)
    except Rejected:
        raise
    except Exception as error:  # Pillow raises many kinds for broken files, and each means the same to us
        raise Rejected(f"cannot be decoded: {reason_of(error)}") from None
    return picture


def _check_whole(data: bytes, picture: Image.Image) -> None:
    """Raise Rejected for a JPEG that was cut and given an end marker, whose rest the decoder leaves grey."""
    read = codestream.read_picture(data)
    # In a picture of one scan without restarts all that is missing is at its end, and left at mid-grey.
    last = np.atleast_1d(np.asarray(picture.crop((picture.width - 1, picture.height - 1, *picture.size)))).ravel()
    if len(read.scans) == 1 and not read.progressive and np.abs(last.astype(int) - 128).max() > 16:
        return
    again = Image.open(io.BytesIO(codestream.refilled(read)), formats=("JPEG",))
    if not np.array_equal(np.asarray(picture), np.asarray(again)):
        raise Rejected(f"{codestream.CUT}: its scans hold less than its frame announces")


def pixel_aspect(data: bytes) -> float:
    """Return the height of a pixel over its width as the tags of a PNG or JPEG say, 1.0 where they say nothing."""
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
        return aspect.of_raster(picture)


def read_film(data: bytes, max_pixels: int, percentiles: Sequence[float]) -> tuple[NDArray[np.uint8], Counter[str]]:
    """Return a film as grey uint8 (H, W), upright, and notes of what was normalised; deep grey is scaled, never clipped."""
    notes: Counter[str] = Counter()
    picture = open_raster(data, max_pixels)
    if picture.getexif().get(0x0112, 1) != 1:
        notes[ROTATED] += 1
    # 45455 stands for 1/2.2; nobody corrects films for other values, but who looks at them with a browser sees it.
    if abs(picture.info.get("gamma", 0.45455) - 0.45455) > 0.01:
        notes[GAMMA] += 1
    if picture.info["deep"] or picture.mode.startswith("I") or picture.mode == "F":
        notes[DEEP] += 1
        notes[COLOUR] += picture.info["deep"]
        grey = Image.fromarray(_deep_grey(data, picture))
        turned = _upright(grey, picture)
        return to_8bit(np.asarray(turned), percentiles), notes
    if picture.mode not in ("L", "1"):
        notes[COLOUR] += 1
    upright = np.array(_grey(ImageOps.exif_transpose(picture)))
    if upright.min() == upright.max():
        raise Rejected(f"constant image, every pixel is {upright.flat[0]}")
    return upright, notes


def _upright(grey: Image.Image, picture: Image.Image) -> Image.Image:
    """Return another picture of the same pixels turned as the EXIF tag of `picture` says."""
    grey.getexif()[0x0112] = picture.getexif().get(0x0112, 1)
    return ImageOps.exif_transpose(grey)


def _deep_grey(data: bytes, picture: Image.Image) -> NDArray[np.float32]:
    """Return the grey values float32 (H, W) of a picture of 16 bits a sample; what is transparent is black."""
    key = picture.info.get("transparency")
    if not picture.info["deep"]:
        values = np.asarray(picture).astype(np.float32)
        return np.where(values == key, np.float32(0), values) if isinstance(key, int) else values
    samples = deep_samples(data).astype(np.float32)
    grey = samples[..., :3] @ LUMA if samples.shape[2] > 2 else samples[..., 0]
    if samples.shape[2] in (2, 4):
        return grey * (samples[..., -1] / np.float32(65535))
    return grey if key is None else np.where((samples == np.asarray(key)).all(axis=2), np.float32(0), grey)


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
    binary mask (0 and the largest value, or 0 and 1) of `structure`. A JPEG's soft edges are cut at 128. Other values
    raise InputError, as does every encoding of which it is not sure what is inside and what outside (mask_pictures.py).
    """
    notes: Counter[str] = Counter()
    picture = open_raster(data, max_pixels)
    values_here = grey_values(data, picture, picture.info["deep"], bool(values), where)
    array = np.asarray(_upright(Image.fromarray(values_here), picture))
    greys = set(np.unique(array).tolist())
    if values:
        allowed = {0, *values.values(), *ignored}
        if picture.mode == "1" and 1 not in allowed:
            array, greys = array * np.uint8(255), {255 * value for value in greys}
        if not greys <= allowed:
            raise InputError(_odd_values(where, greys - allowed, sorted(allowed)))
        return {name: array == value for name, value in values.items()}, notes
    if picture.format != "PNG" and greys != {0} and not greys <= {0, 255}:
        check_soft(array, where)
        notes[SOFT] += 1
        return {structure: array >= 128}, notes
    if greys <= {0, 1} or greys <= {0, 255} or (array.dtype == np.uint16 and greys <= {0, 65535}):
        return {structure: array > 0}, notes
    raise InputError(_odd_values(where, greys - {0, 255}, [0, 255]))


def _odd_values(where: str, odd: set[int], allowed: list[int]) -> str:
    shown = ", ".join(str(value) for value in sorted(odd)[:5])
    return (
        f"{where}: mask holds the values {shown}; expected {allowed}; declare them in reader.mask_values or mask_ignored, or, "
        "where smoothing made them, save the masks without it"
    )
