"""DICOM films with generated headers and grey values known by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from openjpeg.utils import encode_array
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items

from scripts.lib.formats import dicom
from tests.helpers import jpeg_lossless
from tests.helpers.dicom_files import dataset, to_bytes

SIDE = (33, 40)
PLAIN = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)
SYNTAXES = (*PLAIN, uid.DeflatedExplicitVRLittleEndian, uid.RLELossless, uid.JPEGLosslessSV1, uid.JPEG2000Lossless)
BITS = ((8, 8, 7), (16, 8, 7), (16, 10, 9), (16, 12, 11), (16, 12, 15), (16, 15, 14), (16, 16, 15))


def read(ds: Dataset) -> np.ndarray:
    return dicom.read_film(to_bytes(ds), 1 << 20, (0, 100))[0]


def grey(values: list[list[int]], kind: type = np.uint16, **changes: Any) -> Dataset:
    return dataset(np.array(values, dtype=kind), **changes)


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
