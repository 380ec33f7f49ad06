"""The pixel data of a DICOM file: whether they are what the transfer syntax and the header say, and their decoding."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scripts.lib.core.errors import InputError
from scripts.lib.formats import codestream
from scripts.lib.formats.record import Rejected

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

TRAILING = "DICOM films with bytes after the end of their picture, not used"
FEWER_BITS = "DICOM films whose compressed picture has fewer bits than BitsStored"
SIGNS = "DICOM films whose compressed picture says another sign than PixelRepresentation, which counts"
PNG = b"\x89PNG\r\n\x1a\n"
# The coding that a transfer syntax stands for, by the beginning of its UID, and what pip installs for it.
JPEG = "pylibjpeg pylibjpeg-libjpeg"
CODINGS = {
    "1.2.840.10008.1.2.4.5": ("JPEG", JPEG),
    "1.2.840.10008.1.2.4.6": ("JPEG", JPEG),
    "1.2.840.10008.1.2.4.7": ("JPEG", JPEG),
    "1.2.840.10008.1.2.4.8": ("JPEG-LS", JPEG),
    "1.2.840.10008.1.2.4.9": ("JPEG 2000", "pylibjpeg pylibjpeg-openjpeg"),
    "1.2.840.10008.1.2.4.20": ("JPEG 2000", "pylibjpeg pylibjpeg-openjpeg"),
    "1.2.840.10008.1.2.5": ("RLE", "pydicom"),
}
ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


def is_encapsulated(dataset: Dataset) -> bool:
    """Whether the pixel data are a chain of items, as those of every compressed transfer syntax (PS3.5 A.4)."""
    if dataset["PixelData"].is_undefined_length:
        return True
    data, at = dataset.PixelData, 0
    while data[at : at + 4] == ITEM:
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    return at > 0 and (at == len(data) or data[at : at + 4] == DELIMITER)


def is_native(dataset: Dataset) -> bool:
    """Whether pixels have the bits of the header's containers: uncompressed, or RLE, which keeps every bit."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return not syntax.is_compressed or _coding(syntax)[0] == "RLE"


def check_syntax(dataset: Dataset) -> None:
    """Raise Rejected when the transfer syntax is none, or when the pixel data are not of the kind that it names."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise Rejected(f"TransferSyntaxUID {str(syntax)[:80]!r} is no transfer syntax that is known")
    if is_encapsulated(dataset) and not syntax.is_compressed:
        raise Rejected(f"pixel data are compressed, but the transfer syntax is missing or wrong: {syntax.name}")
    if syntax.is_compressed and not is_encapsulated(dataset):
        raise Rejected(f"pixel data are not compressed, but the transfer syntax is {syntax.name}")


def check_length(dataset: Dataset, samples: int, notes: Counter[str]) -> None:
    """Raise Rejected unless uncompressed pixel data have the length of the header; padding behind them is noted."""
    rows, columns, data = int(dataset.Rows), int(dataset.Columns), dataset.PixelData
    if _is_picture(data):
        raise Rejected("pixel data are a compressed picture without items, but the transfer syntax says pixels")
    row = columns * samples * int(dataset.BitsAllocated) / 8
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        row = row * 2 / 3
    need = int(np.ceil(row * rows))
    if len(data) < need:
        raise Rejected(f"pixel data are cut: {len(data)} bytes, {rows} x {columns} pixels need {need}")
    spare = data[need:]
    if len(spare) >= max(row, 2) and spare.strip(b"\0"):
        raise Rejected(f"pixel data of {len(data)} bytes, {rows} x {columns} pixels need {need}")
    if len(spare) > 1:
        notes[TRAILING] += 1
        dataset.PixelData = data[: need + need % 2]


def _is_picture(data: bytes) -> bool:
    """Whether bytes that should be pixels are a whole PNG, JPEG or JPEG 2000 picture: some writers forget to wrap it."""
    if data.startswith(PNG):
        return True
    try:
        codestream.read_picture(data)
    except Rejected:
        return False
    return True


def decode(dataset: Dataset, notes: Counter[str]) -> NDArray:
    """Return the pixels (H, W) or (H, W, 3) as stored; colour comes as RGB, bits beyond BitsStored are left.

    Raises Rejected when the picture is cut or disagrees with the header, InputError without a decoder for its syntax.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return _pixels(dataset)
    coding = _coding(syntax)[0]
    _check_decoder(syntax)
    data = _single_picture(dataset, coding)
    if coding == "RLE":
        size = (int(dataset.Rows), int(dataset.Columns))
        samples = int(dataset.get("SamplesPerPixel") or 1)
        notes[TRAILING] += codestream.check_run_lengths(data, *size, samples, int(dataset.BitsAllocated)) > 0
        return _pixels(dataset, data)
    picture = codestream.read_picture(data)
    _check_picture(picture, coding, dataset)
    if any(start in data[picture.end :] for start in (b"\xff\xd8\xff", codestream.START_OF_CODESTREAM)):
        raise Rejected("a second picture in the pixel data, expected a single film")
    # One byte more makes the length even.
    notes[TRAILING] += len(data) - picture.end > 1
    pixels = _pixels(dataset, picture.data)
    if picture.scans:
        _check_whole(dataset, picture, pixels)
    _check_bits(picture, pixels, dataset, notes)
    return pixels


def _coding(syntax: str) -> tuple[str, str]:
    return next((coding for start, coding in CODINGS.items() if syntax.startswith(start)), ("", "pylibjpeg"))


def _check_decoder(syntax: UID) -> None:
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise Rejected(f"transfer syntax {syntax.name} is not supported") from None
    if not decoder.is_available:
        package = _coding(syntax)[1]
        raise InputError(f"no decoder for DICOM transfer syntax {syntax.name}; install it: pip install {package}")


def _single_picture(dataset: Dataset, coding: str) -> bytes:
    """Return the compressed bytes of the only frame."""
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    stream = io.BytesIO(dataset.PixelData)
    offsets = parse_basic_offsets(stream)
    fragments = list(generate_fragments(stream))
    count = max(len(offsets), len(fragments) if coding == "RLE" else 1)
    if count > 1:
        raise Rejected(f"{count} pictures in the pixel data, expected a single film")
    return b"".join(fragments)


def _check_picture(picture: codestream.CodedPicture, coding: str, dataset: Dataset) -> None:
    """Raise Rejected when the picture is of another coding, size, number of samples or depth than the header's."""
    rows, columns, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel") or 1)
    if picture.kind != coding:
        raise Rejected(
            f"{picture.kind} picture in a file of transfer syntax {dataset.file_meta.TransferSyntaxUID.name}"
        )
    if (picture.rows, picture.columns) != (rows, columns):
        raise Rejected(
            f"compressed picture of {picture.rows} x {picture.columns} pixels, the header says {rows} x {columns}"
        )
    if picture.samples != samples:
        raise Rejected(f"compressed picture of {picture.samples} samples a pixel, the header says {samples}")
    stored, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation", 0)) == 1
    # 8 bits are made of more by division, so that windows and tables of the header no longer fit; and plain JPEG does
    # not know signs, so that the sign bit is not where BitsStored puts it.
    if picture.bits < stored and (picture.bits <= 8 or (signed and coding == "JPEG")):
        raise Rejected(f"compressed picture of {picture.bits} bits, the header says BitsStored {stored}")


def _check_bits(picture: codestream.CodedPicture, pixels: NDArray, dataset: Dataset, notes: Counter[str]) -> None:
    """Raise Rejected when the picture has more bits than BitsStored, and uses them; fewer are noted."""
    stored, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation", 0)) == 1
    if picture.bits > stored:
        low, high = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
        # Many writers code the whole container of 16 bits; that is right as long as no value is beyond BitsStored.
        if int(pixels.min()) < low or int(pixels.max()) > high:
            raise Rejected(
                f"compressed picture of {picture.bits} bits, the header says BitsStored {stored}, and it holds values from "
                f"{pixels.min()} to {pixels.max()}"
            )
    notes[FEWER_BITS] += picture.bits < stored
    # PS3.5 8.2.4 wants them alike. Where they are not, the header counts, as in pydicom: values in the upper half change.
    changed = int(pixels.min()) < 0 if signed else int(pixels.max()) >= 1 << (stored - 1)
    notes[SIGNS] += picture.signed is not None and picture.signed != signed and changed


def _check_whole(dataset: Dataset, picture: codestream.CodedPicture, pixels: NDArray) -> None:
    try:
        again = _pixels(dataset, codestream.refilled(picture))
    except Exception:  # whatever a decoder makes of the filling: a whole picture does not reach it
        again = None
    if again is None or not np.array_equal(pixels, again):
        raise Rejected(f"{codestream.CUT}: its scans hold less than its frame announces")


def _pixels(dataset: Dataset, picture: bytes | None = None) -> NDArray:
    """Return what pydicom decodes, of this picture alone where one is given."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels import pixel_array

    if picture is not None:
        # A shallow copy: one element of it is another.
        dataset = dataset.copy()
        dataset.PixelData = encapsulate([picture])
        for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if name in dataset:
                delattr(dataset, name)
    # The Rust decoder of RLE answers some broken data with a panic, which no `except Exception` holds.
    plugin = "pydicom" if _coding(dataset.file_meta.TransferSyntaxUID)[0] == "RLE" else ""
    # Bits beyond BitsStored are cut off later, by HighBit; YBR comes back as RGB.
    return pixel_array(dataset, correct_unused_bits=False, decoding_plugin=plugin)
