"""Masks in every encoding that people use: read as a person sees them, or refused; and masks that do not suit their film."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scripts.lib.cohort import plausibility
from scripts.lib.core.errors import InputError
from scripts.lib.formats import raster
from tests.formats.test_png_kinds import GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA, chunk, png

LIMIT = 1 << 20
HALF = np.zeros((16, 12), dtype=bool)
HALF[3:12, 2:7] = True
BYTE = HALF.astype(np.uint8)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format=kind, **options)
    return stream.getvalue()


def read(data: bytes, **declared: Any):
    values, ignored = declared.get("values", {}), declared.get("ignored", ())
    return raster.read_mask(data, LIMIT, values, ignored, "lungs", "table.csv row 2")[0]


def palette(indices: np.ndarray, colours: list[int], clear: bytes = b"", depth: int = 8) -> bytes:
    extra = chunk(b"PLTE", bytes(colours)) + (chunk(b"tRNS", clear) if clear else b"")
    return png(indices[..., None], PALETTE, depth, extra=extra)


def layers(*channels: np.ndarray) -> np.ndarray:
    return np.dstack([np.broadcast_to(channel, HALF.shape) for channel in channels])


BLACK, WHITE, RED = [0, 0, 0], [255, 255, 255], [255, 0, 0]
ENCODINGS = {
    "0/1": png(BYTE[..., None], GREY, 8),
    "0/255": png(BYTE[..., None] * 255, GREY, 8),
    "1 bit": png(BYTE[..., None], GREY, 1),
    "2 bits, full": png(BYTE[..., None] * 3, GREY, 2),
    "16 bits, 0/1": png(BYTE[..., None], GREY, 16),
    "16 bits, 0/255": png(BYTE[..., None] * 255, GREY, 16),
    "16 bits, 0/65535": png(BYTE[..., None].astype(int) * 65535, GREY, 16),
    "palette, black first": palette(BYTE, BLACK + WHITE),
    "palette, white first": palette(1 - BYTE, WHITE + BLACK),
    "palette, white first, 1 bit": palette(1 - BYTE, WHITE + BLACK, depth=1),
    "palette, clear background": palette(BYTE, BLACK + WHITE, clear=b"\0\xff"),
    "grey RGB": png(layers(BYTE, BYTE, BYTE) * 255, RGB, 8),
    "RGB of 16 bits, 0/1": png(layers(BYTE, BYTE, BYTE), RGB, 16),
    "RGB of 16 bits, 0/65535": png(layers(BYTE, BYTE, BYTE).astype(int) * 65535, RGB, 16),
    "RGBA, opaque": png(layers(BYTE * 255, BYTE * 255, BYTE * 255, np.uint8(255)), RGB_ALPHA, 8),
    "RGBA, white on nothing": png(layers(*[np.uint8(255)] * 3, BYTE * 255), RGB_ALPHA, 8),
    "RGBA, black on nothing": png(layers(*[np.uint8(0)] * 3, BYTE * 255), RGB_ALPHA, 8),
    "RGBA, red on nothing, of 16 bits": png(layers(*[np.array(700)] * 3, BYTE.astype(int) * 65535), RGB_ALPHA, 16),
    "RGBA, white where seen": png(layers(*[BYTE * 255] * 4), RGB_ALPHA, 8),
    "grey and alpha": png(layers(np.uint8(255), BYTE * 255), GREY_ALPHA, 8),
    "grey and alpha of 16 bits": png(layers(np.array(9), BYTE.astype(int) * 65535), GREY_ALPHA, 16),
    "0/255, black is transparent": png(BYTE[..., None] * 255, GREY, 8, extra=chunk(b"tRNS", b"\0\0")),
    "interlaced": png(BYTE[..., None] * 255, GREY, 8, interlaced=True),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_of_one_mask(name: str) -> None:
    assert np.array_equal(read(ENCODINGS[name])["lungs"], HALF)


REFUSED = {
    "red": png(layers(BYTE * 255, BYTE * 0, BYTE * 0), RGB, 8),
    "palette of colours": palette(BYTE, BLACK + RED),
    "palette of one colour": palette(BYTE, BLACK + BLACK),
    "RGBA, white hides behind nothing": png(layers(*[255 - BYTE * 255] * 3, BYTE * 255), RGB_ALPHA, 8),
    "half transparent": png(layers(*[BYTE * 255] * 3, 100 + BYTE * 100), RGB_ALPHA, 8),
    "soft alpha": png(layers(*[np.uint8(255)] * 3, BYTE * 200), RGB_ALPHA, 8),
    "0/255, white is transparent": png(BYTE[..., None] * 255, GREY, 8, extra=chunk(b"tRNS", b"\0\xff")),
    "two of three greys": png(BYTE[..., None] * 2, GREY, 2),
    "0/1 as JPEG": encoded(Image.fromarray(BYTE), "JPEG", quality=100),
    "0/60 as JPEG": encoded(Image.fromarray(BYTE * 60), "JPEG"),
    "a film as JPEG": encoded(Image.fromarray((np.arange(192).reshape(16, 12) % 256).astype(np.uint8)), "JPEG"),
    "red as CMYK": encoded(Image.fromarray(layers(BYTE * 255, BYTE * 0, BYTE * 0)).convert("CMYK"), "JPEG"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_masks_that_are_not_sure_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"table\.csv row 2"):
        read(REFUSED[name])


def test_a_cmyk_mask_is_not_inverted() -> None:
    big = np.kron(BYTE, np.ones((8, 8), dtype=np.uint8)) * 255
    data = encoded(Image.fromarray(np.dstack([big] * 3)).convert("CMYK"), "JPEG", quality=95)
    found = read(data)["lungs"]
    assert (found & (big > 0)).sum() / (found | (big > 0)).sum() > 0.9


def test_declared_values_in_every_encoding() -> None:
    classes = np.array([[0, 1], [2, 0]])
    declared = {"lungs": 1, "heart": 2}
    colours = BLACK + RED + [0, 255, 0]
    for data in (png(classes[..., None], GREY, 8), png(classes[..., None], GREY, 16), palette(classes, colours)):
        found = read(data, values=declared)
        assert found["lungs"].tolist() == [[False, True], [False, False]]
        assert found["heart"].tolist() == [[False, False], [True, False]]
    for value in (1, 255):
        found = read(ENCODINGS["1 bit"], values={"lungs": value})
        assert np.array_equal(found["lungs"], HALF)
    assert np.array_equal(read(ENCODINGS["palette, white first"], values={"lungs": 255})["lungs"], HALF)


def test_a_mask_turned_by_its_exif_tag() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(BYTE * 255), exif=exif)
    assert np.array_equal(read(data)["lungs"], np.rot90(HALF, -1))


# Masks against their film --------------------------------------------------------------------------------------------


def lungs(side: int = 64) -> np.ndarray:
    """Two upright ellipses, the left one of the picture a little larger and higher."""
    y, x = np.mgrid[:side, :side] / side
    right = ((x - 0.3) / 0.13) ** 2 + ((y - 0.46) / 0.27) ** 2 < 1
    left = ((x - 0.69) / 0.11) ** 2 + ((y - 0.5) / 0.22) ** 2 < 1
    return right | left


def chest(mask: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 8, mask.shape)
    return np.clip(np.where(mask, 70, 170) + noise, 20, 255).astype(np.uint8)


def test_full_and_inside_out_masks_are_noted() -> None:
    notes: Counter[str] = Counter()
    plausibility.mask_notes({"lungs": lungs(), "heart": np.zeros((64, 64), bool)}, notes)
    assert not notes
    plausibility.mask_notes({"lungs": ~lungs()}, notes)
    plausibility.mask_notes({"lungs": np.ones((64, 64), bool)}, notes)
    assert notes == {plausibility.INSIDE_OUT: 1, plausibility.FULL: 1}


@pytest.mark.parametrize("name", plausibility.PLACEMENTS)
def test_lungs_laid_otherwise_are_found(name: str) -> None:
    mask = lungs()
    film = chest(mask)
    assert plausibility.lung_placement(film, mask) == ("", 0.0)
    # The placement that undoes the wrong one; quarter turns undo each other, all else undoes itself.
    undo = {"turned to the right": "turned to the left", "turned to the left": "turned to the right"}.get(name, name)
    best, gain = plausibility.lung_placement(film, plausibility.PLACEMENTS[name](mask))
    assert best == undo and gain > 0
    if "transposed" in name or "right" in name or "left" in name:
        assert gain > plausibility.GAIN


def test_one_film_in_another_placement_is_no_note_for_the_dataset() -> None:
    assert plausibility.placement_note(Counter({"": 8, "mirrored": 3})) is None
    assert plausibility.placement_note(Counter()) is None and plausibility.placement_note(Counter({"": 3})) is None
    note = plausibility.placement_note(Counter({"": 2, "upside down": 9}))
    assert note is not None and note[1] == 9 and "upside down" in note[0]
