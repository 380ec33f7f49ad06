"""DICOM grey values by hand: tables in each byte order, presentation tables, padding, and bits that do not start at 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom import uid
from pydicom.pixels.processing import apply_presentation_lut

from tests.helpers.dicom_files import dataset
from tests.helpers.grey_films import PLAIN, grey, lut, read


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_presentation_table(bits: int) -> None:
    """Without a window pydicom spreads the table as this project does; the film then shows its P-values."""
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 3
    table = (np.linspace(0, 1, 256) ** 2 * ((1 << bits) - 1)).astype(np.uint16)
    item = lut(table, 0, bits, "US", False)
    ds = dataset(values, PresentationLUTSequence=item)
    want = apply_presentation_lut(values, ds) * (255 / ((1 << bits) - 1))
    # one entry of the steepest part of the table is 2 levels
    assert np.abs(read(ds) - want).max() <= 2.01
    # MONOCHROME1 adds nothing: the table's output are P-values, in which more is brighter
    assert np.array_equal(
        read(dataset(values, PresentationLUTSequence=item, PhotometricInterpretation="MONOCHROME1")), read(ds)
    )


def test_presentation_table_spreads_over_the_window() -> None:
    # LINEAR_EXACT from 0 to 100; entries 0, 10, 255 stand for 0 .. 49, 50 .. 99, 100
    window = {"WindowCenter": 50, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"}
    item = lut(np.array([0, 10, 255]), 0, 8, "US", False)
    ds = grey([[20, 49], [60, 100]], PresentationLUTSequence=item, **window)
    assert read(ds).tolist() == [[0, 0], [10, 255]]


@pytest.mark.parametrize("words", ["US", "OW"])
@pytest.mark.parametrize("syntax", PLAIN)
@pytest.mark.parametrize("where", ["VOILUTSequence", "ModalityLUTSequence"])
def test_tables_in_both_byte_orders(where: str, syntax: str, words: str) -> None:
    big = syntax == uid.ExplicitVRBigEndian
    pixels = np.array([[0, 1], [2, 3]], dtype=np.uint8)
    ds = dataset(pixels, **{where: lut(np.array([0, 256, 512, 1024]), 0, 16, words, big)})
    ds.file_meta.TransferSyntaxUID = syntax
    assert read(ds).tolist() == [[0, 64], [128, 255]]


def test_8_bit_entries_two_to_a_word() -> None:
    for syntax in PLAIN:
        item = lut(np.array([0]), 0, 8, "OW", False)
        item[0].LUTDescriptor = [4, 0, 8]
        # the words 0x4000 and 0xFF80: entries 0, 64, 128, 255, the first of each word in its lower half
        item[0].LUTData = b"\x40\x00\xff\x80" if syntax == uid.ExplicitVRBigEndian else b"\x00\x40\x80\xff"
        ds = dataset(np.array([[0, 1], [2, 3]], dtype=np.uint8), VOILUTSequence=item)
        ds.file_meta.TransferSyntaxUID = syntax
        assert read(ds).tolist() == [[0, 64], [128, 255]]


PADDINGS: dict[str, tuple[dict[str, Any], list[list[int]], list[list[int]]]] = {
    # -2000 as an unsigned word. 12 bits cannot hold it; cut to 12 bits it would be 2096, a genuine grey value here.
    "beyond 12 bits": ({"word": 63536, "stored": 12}, [[0, 1048], [2096, 4095]], [[0, 65], [131, 255]]),
    "beyond 12 bits, in whole words": ({"word": 63536, "stored": 12}, [[63536, 0], [2096, 4095]], [[0, 0], [131, 255]]),
    "12 bits": ({"word": 4095, "stored": 12}, [[0, 1000], [2000, 4095]], [[0, 128], [255, 0]]),
    "12 bits, dirty": ({"word": 4095, "stored": 12}, [[0, 1000], [2000, 0xFFFF]], [[0, 128], [255, 0]]),
    "16 bits": ({"word": 63536, "stored": 16}, [[0, 1000], [2000, 63536]], [[0, 128], [255, 0]]),
    "16 bits as signed": ({"word": -2000, "stored": 16, "vr": "SS"}, [[0, 1000], [2000, 63536]], [[0, 128], [255, 0]]),
    "8 bits, of 16": ({"word": 65535, "stored": 8}, [[0, 100], [200, 255]], [[0, 100], [200, 255]]),
    "a limit beyond 12 bits": (
        {"word": 0, "stored": 12, "limit": 63536},
        [[0, 1000], [2000, 3000]],
        [[0, 0], [128, 255]],
    ),
}


@pytest.mark.parametrize("name", PADDINGS)
def test_padding_of_unsigned_films(name: str) -> None:
    options, pixels, want = PADDINGS[name]
    ds = grey(pixels, BitsStored=options["stored"], HighBit=options["stored"] - 1)
    ds.add_new(0x00280120, options.get("vr", "US"), options["word"])
    if "limit" in options:
        ds.add_new(0x00280121, "US", options["limit"])
    assert read(ds).tolist() == want


@pytest.mark.parametrize("word", [-2000, 63536])
@pytest.mark.parametrize("stored", [12, 16])
def test_padding_of_signed_films_however_the_word_is_read(word: int, stored: int) -> None:
    ds = grey([[-2000, -100], [0, 100]], np.int16, BitsStored=stored, HighBit=stored - 1)
    ds.add_new(0x00280120, "SS" if word < 0 else "US", word)
    assert read(ds).tolist() == [[0, 0], [128, 255]]


def test_a_large_intercept_keeps_the_steps_between_grey_values() -> None:
    # slope 0.01: 0, 1, 2, 4 -> 0, .01, .02, .04 above a million, where single precision has steps of .06
    options = {"RescaleSlope": 0.01, "RescaleIntercept": 1000000}
    assert read(grey([[0, 1], [2, 4]], **options)).tolist() == [[0, 64], [128, 255]]
    window = {"WindowCenter": 1000000.02, "WindowWidth": 0.04, "VOILUTFunction": "LINEAR_EXACT"}
    assert read(grey([[0, 1], [2, 4]], **options, **window)).tolist() == [[0, 64], [128, 255]]


def test_rle_keeps_bits_that_do_not_start_at_0() -> None:
    clean = (np.arange(24, dtype=np.uint16) * 170).reshape(4, 6)
    ds = dataset(clean << 4 | 7, BitsStored=12, HighBit=15)
    ds.compress(uid.RLELossless, encoding_plugin="pydicom")
    assert np.array_equal(read(ds), read(dataset(clean, BitsStored=12, HighBit=11)))
