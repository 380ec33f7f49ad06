"""Every kind of PNG that the standard allows, as a film, and what else a picture file says beside its pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from scripts.lib.formats import raster
from scripts.lib.formats.record import Rejected

LIMIT = 1 << 20
SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
KINDS = [(kind, depth) for kind, depths in DEPTHS.items() for depth in depths]
# Adam7: (first row, first column, rows apart, columns apart) of each pass.
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def scan_lines(samples: np.ndarray, depth: int) -> Iterator[bytes]:
    """The rows of samples (H, W, C) as PNG packs them, unfiltered."""
    for row in samples:
        flat = row.ravel()
        if depth < 8:
            bits = (flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            yield b"\0" + np.packbits(bits.astype(np.uint8)).tobytes()
        else:
            yield b"\0" + flat.astype(">u2" if depth == 16 else np.uint8).tobytes()


def png(samples: np.ndarray, kind: int, depth: int, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """A PNG file of the samples (H, W, C), with the chunks `extra` before its data."""
    height, width = samples.shape[:2]
    passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [samples]
    lines = b"".join(b"".join(scan_lines(part, depth)) for part in passes if part.size)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced)))
    return SIGNATURE + head + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def read(data: bytes):
    return raster.read_film(data, LIMIT, (0, 100))


def film(kind: int, depth: int) -> tuple[np.ndarray, bytes, np.ndarray]:
    """Random samples of a kind, a palette where it needs one, and the grey values that they stand for, float (H, W)."""
    random = np.random.default_rng(kind * 100 + depth)
    # 12 of 16 bits, as films have: their upper byte holds 0 to 15
    samples = random.integers(0, 1 << min(depth, 12), (13, 11, CHANNELS[kind]))
    luma = np.array([0.299, 0.587, 0.114])
    full = (1 << depth) - 1
    if kind == PALETTE:
        colours = random.integers(0, 256, (1 << depth, 3))
        return samples, chunk(b"PLTE", colours.astype(np.uint8).tobytes()), (colours @ luma)[samples[..., 0]]
    if kind in (GREY_ALPHA, RGB_ALPHA):
        samples[..., -1] = random.integers(0, full + 1, (13, 11))
    grey = samples[..., :3] @ luma if kind in (RGB, RGB_ALPHA) else samples[..., 0]
    if kind in (GREY_ALPHA, RGB_ALPHA):
        grey = grey * (samples[..., -1] / full)
    return samples, b"", grey * (255 / full) if depth < 16 else grey


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_every_kind_and_depth(kind: int, depth: int, interlaced: bool) -> None:
    samples, palette, want = film(kind, depth)
    image, notes = read(png(samples, kind, depth, interlaced, palette))
    if depth == 16:  # deep films are stretched
        want = (want - want.min()) * (255 / (want.max() - want.min()))
        assert notes[raster.DEEP] == 1
    # Pillow rounds alpha and luma one after the other
    assert np.abs(image - want).max() <= (2 if kind == RGB_ALPHA else 1)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("kind", [GREY, RGB])
def test_a_transparent_colour_shows_black(kind: int, depth: int) -> None:
    values = np.arange(1, 25).reshape(4, 6) * (10 if depth == 8 else 1000)
    samples = np.repeat(values[..., None], CHANNELS[kind], axis=2)
    key = struct.pack(f">{CHANNELS[kind]}H", *samples[2, 3])
    shown = np.where(values == values[2, 3], 0, values)
    image, _ = read(png(samples, kind, depth, extra=chunk(b"tRNS", key)))
    assert np.abs(image - shown * (255 / (240 * 1.0625) if depth == 8 else 255 / 24000)).max() <= 1


def test_a_transparent_palette_entry_shows_black() -> None:
    samples = np.array([[0, 1], [2, 3]])[..., None]
    extra = chunk(b"PLTE", bytes([90] * 3 + [120] * 3 + [150] * 3 + [250] * 3)) + chunk(b"tRNS", bytes([255, 255, 0]))
    assert read(png(samples, PALETTE, 2, extra=extra))[0].tolist() == [[90, 120], [0, 250]]


def test_gamma_keeps_the_grey_values_and_is_noted() -> None:
    samples = np.arange(24).reshape(4, 6, 1) * 10
    for gamma, noted in ((45455, 0), (100000, 1)):
        image, notes = read(png(samples, GREY, 8, extra=chunk(b"gAMA", struct.pack(">I", gamma))))
        assert np.array_equal(image, samples[..., 0]) and notes[raster.GAMMA] == noted


def test_a_deep_colour_film_turned_by_its_exif_tag() -> None:
    values = np.arange(24).reshape(4, 6) * 100
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    data = png(np.repeat(values[..., None], 3, axis=2), RGB, 16, extra=chunk(b"eXIf", exif.tobytes()[6:]))
    assert np.array_equal(read(data)[0], np.rot90(np.round(values * (255 / 2300)), -1))


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG", quality=92, **options)
    return stream.getvalue()


Y, X = np.mgrid[:96, :80]
SMOOTH = np.clip(100 + 60 * np.sin(X / 7) + 40 * np.cos(Y / 5) + 20 * np.sin(X * Y / 30), 0, 255).astype(np.uint8)
JPEGS = {
    "grey": jpeg(SMOOTH),
    "colour": jpeg(np.dstack([SMOOTH, SMOOTH.T.reshape(96, 80), SMOOTH])),
    "progressive": jpeg(SMOOTH, progressive=True),
    "restarts": jpeg(SMOOTH, restart_marker_rows=1),
    "mid-grey at its end": jpeg(np.where(Y > 60, 128, SMOOTH).astype(np.uint8)),
    "whole numbers of blocks and a bit": jpeg(SMOOTH[:89, :73]),
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_cut_early_with_an_end_marker_is_rejected(name: str) -> None:
    data = JPEGS[name]
    assert read(data)[0].shape[0] > 80
    assert np.array_equal(read(data + b"\0" * 100)[0], read(data)[0])
    for share in (0.3, 0.6, 0.9):
        broken = data[: len(data) - int((len(data) - 700) * share)].rstrip(b"\xff") + b"\xff\xd9"
        with pytest.raises(Rejected, match="cut|truncated|cannot be decoded"):
            read(broken)


def test_reasons_are_equal_in_equal_runs() -> None:
    reasons = set()
    for _ in range(3):
        keep = [io.BytesIO() for _ in range(50)]  # so that the next object has another address
        with pytest.raises(Rejected) as caught:
            read(b"\x89PNG\r\n\x1a\n" + b"junk" * 30)
        reasons.add(str(caught.value))
        del keep
    assert len(reasons) == 1 and "0x" not in reasons.pop()


# Pixels that are not square ------------------------------------------------------------------------------------------


def phys(across: int, down: int, unit: int) -> bytes:
    return chunk(b"pHYs", struct.pack(">IIB", across, down, unit))


@pytest.mark.parametrize(
    ("across", "down", "unit", "aspect"),
    [(2835, 2835, 1, 1.0), (2835, 2834, 1, 1.0), (2, 1, 0, 2.0), (5000, 10000, 1, 0.5), (0, 0, 1, 1.0)],
)
def test_density_of_a_png(across: int, down: int, unit: int, aspect: float) -> None:
    # Twice as many pixels a metre across as down: each is half as wide as high.
    data = png(np.arange(24).reshape(4, 6, 1), GREY, 8, extra=phys(across, down, unit))
    assert raster.pixel_aspect(data) == pytest.approx(aspect)


def test_density_of_a_jpeg() -> None:
    assert raster.pixel_aspect(jpeg(SMOOTH)) == raster.pixel_aspect(jpeg(SMOOTH, dpi=(300, 300))) == 1.0
    assert raster.pixel_aspect(jpeg(SMOOTH, dpi=(200, 100))) == 2.0
    exif = Image.Exif()
    exif[0x0112] = 8
    assert raster.pixel_aspect(jpeg(SMOOTH, dpi=(200, 100), exif=exif)) == 0.5
    with pytest.raises(Rejected, match="JFIF density says pixels 6 times as high"):
        raster.pixel_aspect(jpeg(SMOOTH, dpi=(600, 100)))
