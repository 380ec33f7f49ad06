"""How phantom films and masks are encoded: run lengths by hand, parts of annotations, and every kind of DICOM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, apply_windowing

from scripts.lib.phantom.film import draw_film
from scripts.lib.phantom.study import film_stream, plan_films
from scripts.lib.phantom.writers.dicom import Identity, uid, write_dicom
from scripts.lib.phantom.writers.rle import encode_absolute, encode_relative
from scripts.lib.phantom.writers.tree import annotation_parts

SIZE = 64
SPEC = plan_films("siim", {"size": SIZE, "patients": 2}, 1)[0]


def test_relative_encoding_by_hand() -> None:
    # columns of the 3 x 3 mask, top to bottom: 0 1 1 | 0 0 1 | 1 0 0 -> flat indices 1, 2, 5, 6
    # runs: start 1 length 2 (ends at 3), start 5 length 2; second offset 5 - 3 = 2
    mask = np.array([[0, 0, 1], [1, 0, 0], [1, 1, 0]], dtype=bool)
    assert encode_relative(mask) == "1 2 2 2"
    assert encode_relative(np.ones((2, 3), dtype=bool)) == "0 6"
    assert encode_relative(np.zeros((2, 3), dtype=bool)) == "-1"


def test_absolute_encoding_by_hand() -> None:
    # rows of the same mask: 0 0 1 | 1 0 0 | 1 1 0 -> flat indices 2, 3, 6, 7; starts counted from 1: 3 and 7
    mask = np.array([[0, 0, 1], [1, 0, 0], [1, 1, 0]], dtype=bool)
    assert encode_absolute(mask) == "3 2 7 2"
    assert encode_absolute(np.ones((2, 3), dtype=bool)) == "1 6"
    assert encode_absolute(np.zeros((2, 3), dtype=bool)) == ""


def test_annotation_parts_cover_the_mask() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[5:30, 4:9] = True
    counts = set()
    for seed in range(40):
        parts = annotation_parts(mask, np.random.default_rng(seed))
        assert np.array_equal(np.logical_or.reduce(parts), mask)
        counts.add(len(parts))
    assert counts == {1, 2}


@pytest.mark.parametrize("kind", ["plain", "inverted", "twelve-bit", "jpeg"])
def test_every_kind_of_dicom_shows_the_same_film(kind: str, tmp_path: Path) -> None:
    image = draw_film(SPEC, SIZE, film_stream(SPEC)).image
    path = tmp_path / "film"
    write_dicom(path, image, SPEC, Identity("P1", uid(1), uid(2), uid(3)), kind)
    ds = pydicom.dcmread(path)
    assert ds.PhotometricInterpretation == ("MONOCHROME1" if kind == "inverted" else "MONOCHROME2")
    assert ds.file_meta.TransferSyntaxUID.is_compressed == (kind == "jpeg")
    pixels = ds.pixel_array
    if kind == "twelve-bit":
        assert (ds.BitsAllocated, ds.BitsStored, pixels.dtype) == (16, 12, np.dtype("uint16"))
        pixels = apply_windowing(apply_modality_lut(pixels, ds), ds)
        pixels = np.interp(pixels, (-1024, 3071), (0, 255))
    if kind == "inverted":
        pixels = 255 - pixels
    assert np.abs(pixels.astype(float) - image).mean() < (2.5 if kind == "jpeg" else 0.6)


def test_an_odd_number_of_pixels_is_padded(tmp_path: Path) -> None:
    image = np.arange(33 * 33, dtype=np.uint32).reshape(33, 33).astype(np.uint8)
    write_dicom(tmp_path / "film", image, SPEC, Identity("P1", uid(1), uid(2), uid(3)), "plain")
    assert np.array_equal(pydicom.dcmread(tmp_path / "film").pixel_array, image)


def test_uids_are_valid_and_fixed() -> None:
    assert pydicom.uid.UID(uid("a", 1)).is_valid
    assert uid("a", 1) == uid("a", 1) != uid("a1")
