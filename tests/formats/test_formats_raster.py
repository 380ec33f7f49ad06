"""PNG and JPEG films and masks: what is normalised, what is rejected, and which mask values are an error."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from scripts.lib.core.errors import InputError
from scripts.lib.formats import raster
from scripts.lib.formats.record import Rejected

LIMIT = 1 << 20
RAMP = (np.arange(24, dtype=np.uint8) * 10).reshape(4, 6)


def encoded(array: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    stream = io.BytesIO()
    picture.save(stream, format=kind, **options)
    return stream.getvalue()


def read(data: bytes):
    return raster.read_film(data, LIMIT, (0, 100))


def test_8_bit_films_stay_as_they_are() -> None:
    image, notes = read(encoded(RAMP))
    assert np.array_equal(image, RAMP) and not notes


def test_16_bit_films_are_scaled_never_clipped() -> None:
    # 1000, 2000, 3000, 4000 -> 0, 85, 170, 255
    image, notes = read(encoded(np.array([[1000, 2000], [3000, 4000]], dtype=np.uint16)))
    assert image.tolist() == [[0, 85], [170, 255]]
    assert notes[raster.DEEP] == 1


def test_percentiles_cut_the_tails_of_deep_films() -> None:
    values = np.arange(101, dtype=np.uint16).reshape(1, 101) * 100
    image, _ = raster.read_film(encoded(values), LIMIT, (10, 90))
    assert image[0, 10] == 0 and image[0, 90] == 255 and image[0, 50] == 128


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "CMYK"])
def test_colour_modes_become_grey(mode: str) -> None:
    picture = (
        Image.fromarray(RAMP).convert("RGB").convert(mode) if mode == "CMYK" else Image.fromarray(RAMP).convert(mode)
    )
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image, notes = read(encoded(picture, kind))
    assert np.abs(image.astype(int) - RAMP).max() <= (12 if kind == "JPEG" else 0)
    assert notes[raster.COLOUR] == 1


def test_transparent_pixels_show_black() -> None:
    rgba = np.dstack([RAMP] * 3 + [np.where(RAMP > 100, 0, 255).astype(np.uint8)])
    assert np.array_equal(read(encoded(rgba))[0], np.where(RAMP > 100, 0, RAMP))


def test_exif_rotation_is_undone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned: to be rotated by 90 degrees clockwise
    smooth = np.repeat(np.repeat(RAMP, 8, axis=0), 8, axis=1)
    image, notes = read(encoded(smooth, "JPEG", exif=exif, quality=100))
    assert image.shape == (48, 32)
    assert np.abs(image.astype(int) - np.rot90(smooth, -1)).mean() < 3
    assert notes[raster.ROTATED] == 1


def bomb_png(width: int, height: int) -> bytes:
    """A valid PNG of a few bytes that claims a huge size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def animated() -> bytes:
    frames = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    stream = io.BytesIO()
    frames[0].save(stream, format="PNG", save_all=True, append_images=frames[1:])
    return stream.getvalue()


BROKEN = {
    "empty": (b"", "unknown format"),
    "gif": (encoded(RAMP, "GIF"), "GIF"),
    "webp": (encoded(RAMP, "WEBP"), "WebP"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "tiff": (encoded(RAMP, "TIFF"), "TIFF"),
    "bmp": (encoded(RAMP, "BMP"), "BMP"),
    "git lfs pointer": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "login page": (b"<!DOCTYPE html><html></html>", "HTML"),
    "only a signature": (b"\x89PNG\r\n\x1a\n", "cannot be decoded"),
    "cut png": (
        encoded(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))[:2000],
        "cannot be decoded",
    ),
    "cut jpeg": (
        encoded(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8), "JPEG")[:1500],
        "truncated",
    ),
    "bomb within Pillow's own limit": (bomb_png(5000, 5000), "max_pixels"),
    "bomb": (bomb_png(100_000, 100_000), "Bomb|max_pixels"),
    "short data": (bomb_png(200, 200), "cannot be decoded"),
    "constant": (encoded(np.full((4, 4), 9, np.uint8)), "every pixel is 9"),
    "constant 16-bit": (encoded(np.full((4, 4), 900, np.uint16)), "every pixel is 900"),
    "animation": (animated(), "2 frames"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_rejected_with_a_reason(name: str) -> None:
    data, reason = BROKEN[name]
    with pytest.raises(Rejected, match=reason):
        read(data)


def mask(data: bytes, values=None, ignored=()):
    return raster.read_mask(data, LIMIT, values or {}, ignored, "lungs", "table.csv row 2")


HALF = np.array([[0, 1], [1, 0]], dtype=np.uint8)


@pytest.mark.parametrize(
    "picture",
    [HALF, HALF * 255, HALF.astype(bool), np.dstack([HALF * 255] * 3)],
    ids=["0/1", "0/255", "1 bit", "grey RGB"],
)
def test_binary_masks(picture: np.ndarray) -> None:
    found, notes = mask(encoded(picture))
    assert np.array_equal(found["lungs"], HALF.astype(bool)) and not notes


def test_soft_edged_jpeg_mask_is_cut_and_noted() -> None:
    drawn = np.zeros((64, 64), dtype=np.uint8)
    drawn[20:44, 9:50] = 255
    found, notes = mask(encoded(drawn, "JPEG", quality=60))
    assert (found["lungs"] != (drawn > 0)).mean() < 0.02
    assert notes[raster.SOFT] == 1


@pytest.mark.parametrize("values", [[0, 7], [0, 1, 2], [0, 127, 255], [0, 1, 255]])
def test_other_mask_values_are_an_error(values: list[int]) -> None:
    picture = np.array([values * 2], dtype=np.uint8)
    with pytest.raises(InputError, match=r"table\.csv row 2: mask holds the values"):
        mask(encoded(picture))


def test_declared_mask_values() -> None:
    picture = np.array([[0, 127, 255, 80]], dtype=np.uint8)
    found, _ = mask(encoded(picture), {"lungs": 255, "heart": 80}, [127])
    assert found["lungs"].tolist() == [[False, False, True, False]]
    assert found["heart"].tolist() == [[False, False, False, True]]
    with pytest.raises(InputError, match="127"):
        mask(encoded(picture), {"lungs": 255, "heart": 80})


def test_coloured_mask_is_an_error() -> None:
    picture = np.zeros((2, 2, 3), dtype=np.uint8)
    picture[0, 0] = (255, 0, 0)
    with pytest.raises(InputError, match="coloured"):
        mask(encoded(picture))
