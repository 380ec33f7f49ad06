"""DICOM grey values: generated headers against pydicom's own display functions, and every difference that is meant."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_modality_lut, apply_presentation_lut, apply_voi_lut
from pydicom.sequence import Sequence as Items

from scripts.lib.formats import dicom
from scripts.lib.formats.record import Rejected
from tests.helpers import jpeg_lossless
from tests.helpers.dicom_files import dataset, to_bytes

SIDE = (33, 40)
HEADERS = 320
PLAIN = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
SYNTAXES = (*PLAIN, uid.DeflatedExplicitVRLittleEndian, uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEG2000Lossless)
BITS = ((8, 8, 7), (16, 8, 7), (16, 10, 9), (16, 12, 11), (16, 12, 15), (16, 15, 14), (16, 16, 15))


def read(ds: Dataset) -> np.ndarray:
    return dicom.read_film(to_bytes(ds), 1 << 20, (0, 100))[0]


def lut(entries: np.ndarray, first: int, bits: int, words: str, big: bool) -> Items:
    """A lookup table of unsigned entries; `words` is the VR of its data, US or OW."""
    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(entries), first, bits])
    data = entries.astype(">u2" if big else "<u2").tobytes() if words == "OW" else entries.tolist()
    item.add_new(0x00283006, words, data)
    return Items([item])


class Film:
    """One generated header with its pixels: `values` are what the stored bits mean, before any table."""

    def __init__(self, number: int) -> None:
        self.random = np.random.default_rng(number)
        self.syntax = SYNTAXES[number % len(SYNTAXES)]
        self.allocated, self.stored, self.high = BITS[number // len(SYNTAXES) % len(BITS)]
        if not self.native and self.high >= self.stored:
            self.high = self.stored - 1
        if self.syntax == uid.JPEGLosslessSV1 and self.stored == 8:
            self.allocated = 8  # pydicom does not put one byte of JPEG into two
        # Coders of JPEG do not know signs; how they carry them is a matter of writers, not of this chain.
        self.signed = self.syntax != uid.JPEGLosslessSV1 and bool(self.random.integers(2))
        self.low = -(1 << (self.stored - 1)) if self.signed else 0
        self.top = self.low + (1 << self.stored) - 1
        self.values = self.random.integers(self.low, self.top + 1, SIDE)
        self.values.flat[:2] = self.low, self.top
        self.ds = self._dataset()
        self._display()

    @property
    def native(self) -> bool:
        return self.syntax not in (uid.JPEGLosslessSV1, uid.JPEG2000Lossless)

    @property
    def big(self) -> bool:
        return self.syntax == uid.ExplicitVRBigEndian

    def _dataset(self) -> Dataset:
        kind = f"{'i' if self.signed else 'u'}{self.allocated // 8}"
        unsigned = np.dtype(f"u{self.allocated // 8}")
        words = (self.values & ((1 << self.stored) - 1)) << (self.high + 1 - self.stored)
        if self.native:  # overlay bits in every bit that is no grey value
            unused = ((1 << self.allocated) - 1) ^ (((1 << self.stored) - 1) << (self.high + 1 - self.stored))
            words |= self.random.integers(0, 1 << self.allocated, SIDE) & unused
        pixels = words.astype(unsigned).view(kind)
        ds = dataset(pixels, BitsStored=self.stored, HighBit=self.high)
        if self.big:
            ds.PixelData = pixels.astype(np.dtype(kind).newbyteorder(">")).tobytes()
        if self.syntax == uid.RLELossless:
            ds.BitsStored = self.allocated  # pydicom's encoder would drop the bytes beyond BitsStored
            ds.compress(uid.RLELossless, encoding_plugin="pydicom")
            ds.BitsStored = self.stored
        elif not self.native:
            ds.PixelData = encapsulate([self._coded()])
            ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.file_meta.TransferSyntaxUID = self.syntax
        return ds

    def _coded(self) -> bytes:
        if self.syntax == uid.JPEGLosslessSV1:
            return jpeg_lossless.encode(self.values, self.stored)
        kind = f"{'i' if self.signed else 'u'}{1 if self.stored <= 8 else 2}"
        return encode_array(self.values.astype(kind), bits_stored=self.stored, codec_format=0)

    def _display(self) -> None:
        """Choose rescaling or a modality table, a window or VOI table, the photometric interpretation, and padding."""
        choose, ds = self.random, self.ds
        span, middle = self.top - self.low, (self.top + self.low) // 2
        words = ("US", "OW")[choose.integers(2)]
        modality = choose.integers(5)
        if modality == 1:
            ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
            middle -= 1024
        elif modality == 2:
            ds.RescaleSlope, ds.RescaleIntercept = [(2, -100), (0.5, 7.25), (-1, 0), (0.25, 1000000)][
                choose.integers(4)
            ]
            middle = middle * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
            span *= abs(float(ds.RescaleSlope))
        elif modality == 3:
            first = max(self.low, -30000) if self.signed else int(choose.integers(0, 40))
            ds.ModalityLUTSequence = lut(np.cumsum(choose.integers(1, 20, 200)), first, 16, words, self.big)
            middle, span = 1000, 2000
        self.window = choose.integers(6)
        # Two digits: DS takes 16 characters.
        centre, width = round(middle + span / 16, 2), round(max(span / (2, 4)[choose.integers(2)], 8), 2)
        if self.window in (1, 2, 3):
            ds.WindowCenter, ds.WindowWidth = ([centre, 1], [width, 2]) if choose.integers(2) else (centre, width)
            if self.window > 1 or choose.integers(2):
                ds.VOILUTFunction = ("LINEAR", "LINEAR_EXACT", "SIGMOID")[self.window - 1]
        elif self.window == 4 and modality != 2:
            first = int(np.clip(middle - 300, -(1 << 15) if middle < 300 else 0, (1 << 16) - 1))
            ds.VOILUTSequence = lut(np.sort(choose.integers(0, 4096, 600)), first, 12, words, self.big)
            if choose.integers(2):  # a table goes before a window
                ds.WindowCenter, ds.WindowWidth = centre, width
        ds.PhotometricInterpretation = ("MONOCHROME1", "MONOCHROME2")[choose.integers(2)]
        if choose.integers(2):
            ds.PresentationLUTShape = "INVERSE" if ds.PhotometricInterpretation == "MONOCHROME1" else "IDENTITY"
        self.padding = np.zeros(SIDE, dtype=bool)
        if choose.integers(3) == 0 and self.values.max() > self.values.min():
            low = int(self.values.flat[5])
            ds.add_new(0x00280120, "SS" if self.signed else "US", low)
            high = min(low + span / 16 if modality != 3 else low, self.top)
            if choose.integers(2):
                ds.add_new(0x00280121, "SS" if self.signed else "US", int(high))
                self.padding = (self.values >= low) & (self.values <= int(high))
            else:
                self.padding = self.values == low


def expected(film: Film) -> np.ndarray:
    """What pydicom's functions make of the film, brought to 8 bits as this project does, float (H, W)."""
    ds = copy.deepcopy(film.ds)
    values = apply_modality_lut(film.values.astype(np.int32), ds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Applying a VOI LUT on a float input")  # whole numbers all the same
        shown = apply_voi_lut(values, ds)
    windowed = "VOILUTSequence" not in ds and "WindowCenter" in ds
    inverted = ds.PhotometricInterpretation == "MONOCHROME1"
    if inverted:  # pydicom inverts by this element alone
        ds.PresentationLUTShape = "INVERSE"
    last = np.asarray(apply_presentation_lut(shown.astype(np.float64), ds), dtype=np.float64)
    keep8 = not windowed and "VOILUTSequence" not in ds and values.dtype == np.int32 and film.stored == 8
    untouched = np.array_equal(values, film.values)
    if windowed:
        black, white = _window_ends(film, ds)
        # apply_presentation_lut subtracts from the greatest value of the film, not from the window's upper end
        last = last - (shown.max() - white - black if inverted else 0)
        return np.clip((last - black) / (white - black) * 255, 0, 255)
    if keep8 and untouched and not film.signed:
        return last - (float(shown.max()) - 255 if inverted else 0)
    valid = last[~film.padding]
    return np.clip((last - valid.min()) / (valid.max() - valid.min()) * 255, 0, 255)


def _window_ends(film: Film, ds: Dataset) -> tuple[float, float]:
    """pydicom's output range of a window: that of the values that the bits can hold, rescaled."""
    low, high = (0, 65535) if "ModalityLUTSequence" in ds else (film.low, film.top)
    slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
    return low * slope + intercept, high * slope + intercept


def test_generated_headers_show_what_pydicom_shows() -> None:
    seen: dict[str, int] = {}
    for number in range(HEADERS):
        film = Film(number)
        want = np.where(film.padding, 0, expected(film))
        used = want[~film.padding]
        if used.max() - used.min() < 1:  # a window that leaves nothing: see REFUSED
            continue
        have = read(copy.deepcopy(film.ds))
        worst = np.abs(have - want).max()
        assert worst <= 1.01, f"header {number}: {worst:.1f} levels off\n{film.ds}"
        for name in ("VOILUTSequence", "ModalityLUTSequence", "WindowCenter", "RescaleSlope", "PixelPaddingValue"):
            seen[name] = seen.get(name, 0) + (name in film.ds)
        seen["all"] = seen.get("all", 0) + 1
    assert seen["all"] >= 200 and min(seen.values()) >= 20, seen


def grey(values: list[list[int]], kind: type = np.uint16, **changes: Any) -> Dataset:
    return dataset(np.array(values, dtype=kind), **changes)


def with_shape(shape: str, colours: str) -> Dataset:
    return grey([[0, 1], [2, 4]], PhotometricInterpretation=colours, PresentationLUTShape=shape)


# Each row of the table in scripts/lib/formats/voi.py that pydicom treats otherwise: film, what it shows here, reason.
OTHERWISE: dict[str, tuple[Dataset, list[list[int]]]] = {
    # bits 4 to 15 hold 0, 1, 2, 4; the four below an overlay
    "HighBit 15 of 12": (grey([[0x3, 0x1A], [0x2F, 0x40]], BitsStored=12, HighBit=15), [[0, 64], [128, 255]]),
    "padding": (grey([[9, 1], [2, 3]], PixelPaddingValue=9), [[0, 0], [128, 255]]),
    "MONOCHROME1": (grey([[0, 1], [2, 4]], PhotometricInterpretation="MONOCHROME1"), [[255, 191], [128, 0]]),
    "MONOCHROME1 and INVERSE": (with_shape("INVERSE", "MONOCHROME1"), [[255, 191], [128, 0]]),
    # slope 3 alone: 0, 3, 6, 12; an intercept alone shifts and is stretched away
    "slope alone": (grey([[0, 1], [2, 4]], RescaleSlope=3), [[0, 64], [128, 255]]),
    # 0, 0.5, 1, 1.5 round to 0, 0, 1, 2 (to even), entries 0, 0, 10, 20; cut they would be 0, 0, 1, 1
    "VOI table of rescaled values": (
        grey(
            [[0, 1], [2, 3]],
            RescaleSlope=0.5,
            RescaleIntercept=0,
            VOILUTSequence=lut(np.array([0, 10, 20]), 0, 16, "US", False),
        ),
        [[0, 0], [128, 255]],
    ),
    "LINEAR of width 1": (grey([[0, 1], [2, 4]], WindowCenter=2, WindowWidth=1), [[0, 64], [128, 255]]),
}
REFUSED: dict[str, tuple[Dataset, str]] = {
    "MONOCHROME2 and INVERSE": (with_shape("INVERSE", "MONOCHROME2"), "contradict"),
    "MONOCHROME1 and IDENTITY": (with_shape("IDENTITY", "MONOCHROME1"), "contradict"),
    "slope 0": (grey([[0, 1], [2, 4]], RescaleSlope=0, RescaleIntercept=1), "RescaleSlope"),
    "slope beyond all grey values": (
        grey([[0, 1], [2, 4]], RescaleSlope="1e300", RescaleIntercept=0),
        "leave no steps",
    ),
    "slope of nothing": (grey([[0, 1], [2, 4]], RescaleSlope="1e-300", RescaleIntercept=0), "leave no steps"),
    "intercept beyond all steps": (grey([[0, 1], [2, 4]], RescaleSlope=1, RescaleIntercept="1e17"), "leave no steps"),
    # 0 to 4 in a window of 1e30: all of them are the same grey
    "window beyond all grey values": (
        grey([[0, 1], [2, 4]], WindowCenter=2, WindowWidth="1e30"),
        "constant image after",
    ),
    "table of entries without bits": (
        grey([[0, 1], [2, 4]], VOILUTSequence=lut(np.arange(5), 0, 0, "US", False)),
        "LUTDescriptor is",
    ),
    "table of entries of 40 bits": (
        grey([[0, 1], [2, 4]], PresentationLUTSequence=lut(np.arange(5), 0, 40, "US", False)),
        "LUTDescriptor is",
    ),
    "modality table without entries": (
        grey([[0, 1], [2, 4]], ModalityLUTSequence=Items([Dataset()])),
        "without LUTDescriptor or LUTData",
    ),
    "window off the film": (grey([[0, 1], [2, 4]], WindowCenter=900, WindowWidth=10), "constant"),
    "unknown function": (
        grey([[0, 1], [2, 4]], WindowCenter=2, WindowWidth=4, VOILUTFunction="CUBIC"),
        "VOILUTFunction CUBIC",
    ),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_where_pydicom_is_not_followed(name: str) -> None:
    ds, want = OTHERWISE[name]
    assert read(copy.deepcopy(ds)).tolist() == want


@pytest.mark.parametrize("name", REFUSED)
def test_what_pydicom_shows_and_is_refused_here(name: str) -> None:
    with pytest.raises(Rejected, match=REFUSED[name][1]):
        read(copy.deepcopy(REFUSED[name][0]))


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
