"""What broken, cut, oversized and hostile DICOM files get: a reason, never another error."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from scripts.lib.core.errors import InputError
from scripts.lib.formats import dicom
from scripts.lib.formats.record import Rejected
from tests.helpers.dicom_files import (
    LIMIT,
    REMOVED,
    dataset,
    dicom_bytes,
    image_of,
    jpeg_dicom,
    noisy,
    ramp,
    read,
    to_bytes,
)

BROKEN = {
    "zero bytes": (b"", "not a DICOM"),
    "text with .dcm": (b"this is not a film\n" * 40, "not a DICOM"),
    "preamble only": (b"\0" * 128 + b"DICM", "missing|cannot be decoded"),
    "cut in the header": (dicom_bytes(ramp())[:260], "missing|cannot be decoded"),
    "cut in the pixels": (dicom_bytes(noisy())[:-200], "cut|cannot be decoded"),
    "no photometric interpretation": (dicom_bytes(ramp(), PhotometricInterpretation=REMOVED), "Photometric"),
    "palette": (dicom_bytes(ramp(), PhotometricInterpretation="PALETTE COLOR"), "not supported"),
    "constant": (dicom_bytes(np.full((4, 4), 7, np.uint8)), "constant image, every pixel is 7"),
    "constant after its window": (
        dicom_bytes(ramp(), WindowCenter=5000, WindowWidth=100),
        "constant image, every pixel is 4950",
    ),
    "only padding": (dicom_bytes(np.zeros((4, 4), np.uint16), PixelPaddingValue=0), "padding"),
    "multi-frame": (dicom_bytes(np.concatenate([ramp()] * 2), Rows=4, NumberOfFrames=2), "2 frames"),
    "no rows": (dicom_bytes(ramp(), Rows=REMOVED), "Rows is missing"),
    "zero rows": (dicom_bytes(ramp(), Rows=0), "0 x 6"),
    "no pixels": (dicom_bytes(ramp(), PixelData=REMOVED), "PixelData is missing"),
    "size beyond the data": (dicom_bytes(ramp(), Rows=900, Columns=900), "cut: 24 bytes"),
    "size beyond the limit": (dicom_bytes(ramp(), Rows=65000, Columns=65000), "max_pixels"),
    "32 bits": (dicom_bytes(np.arange(6, dtype=np.uint32).reshape(2, 3)), "bits do not fit"),
    "more stored than allocated": (dicom_bytes(ramp(), BitsStored=12), "bits do not fit|cannot be decoded"),
    "jpeg of another size": (jpeg_dicom(noisy(), Rows=32, Columns=48), "compressed picture of 64 x 48"),
    "jpeg 2000 of another size": (jpeg_dicom(noisy(), kind="JPEG2000", Rows=9, Columns=9), "compressed picture of 64"),
    "cut jpeg": (jpeg_dicom(noisy(), cut=900), "no end"),
    "cut jpeg 2000": (jpeg_dicom(noisy(), cut=500, kind="JPEG2000"), "no end"),
    "cut between the items": (jpeg_dicom(noisy())[:-300], "."),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_rejected_with_a_reason(name: str) -> None:
    data, reason = BROKEN[name]
    with pytest.raises(Rejected, match=reason) as caught:
        read(data)
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_file_is_rejected_or_whole() -> None:
    data = dicom_bytes(noisy(16, 16))
    whole = image_of(data)
    for end in range(0, len(data), 13):
        try:
            image = image_of(data[:end])
        except Rejected:
            continue
        assert np.array_equal(image, whole)


def test_size_beyond_the_limit_allocates_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(dicom, "_decode", forbidden)
    with pytest.raises(Rejected, match="max_pixels"):
        read(dicom_bytes(ramp(), Rows=60000, Columns=60000))


def test_missing_decoder_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        is_available = False

    monkeypatch.setattr("pydicom.pixels.get_decoder", lambda syntax: Absent())
    with pytest.raises(InputError, match="pip install pylibjpeg pylibjpeg-libjpeg"):
        read(jpeg_dicom(noisy()))


def test_video_is_rejected() -> None:
    ds = pydicom.dcmread(io.BytesIO(jpeg_dicom(noisy())))
    ds.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    with pytest.raises(Rejected, match="not supported"):
        read(to_bytes(ds))


def nested(depth: int, undefined: bool) -> bytes:
    """A file with `depth` sequences inside each other before its pixels."""
    tag = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ends = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    data = dicom_bytes(ramp())
    at = data.index(struct.pack("<HH", 0x0010, 0x0020))
    return data[:at] + (tag + item) * depth + (ends * depth if undefined else b"") + data[at:]


@pytest.mark.parametrize("closed", [True, False])
def test_sequences_nested_10000_deep_are_rejected_soon(closed: bool) -> None:
    start = time.process_time()
    with pytest.raises(Rejected):
        read(nested(10_000, closed))
    assert time.process_time() - start < 20


def test_deflated_bomb_is_rejected_and_a_deflated_film_is_read() -> None:
    ds = dataset(ramp())
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = to_bytes(ds)
    assert np.array_equal(image_of(data), image_of(dicom_bytes(ramp())))
    start = 144 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = data[:start] + packer.compress(b"\0" * (4 * LIMIT + 1000)) + packer.flush()
    with pytest.raises(Rejected, match="unpack"):
        read(bomb)


def test_random_damage_never_escapes_as_another_error() -> None:
    stream = np.random.default_rng(5)
    data = np.frombuffer(dicom_bytes(noisy(16, 16), WindowCenter=100, WindowWidth=90), dtype=np.uint8)
    for _ in range(150):
        broken = data.copy()
        broken[stream.integers(128, len(data), 6)] = stream.integers(0, 256, 6)
        try:
            image = image_of(broken.tobytes())
        except (Rejected, InputError):
            continue
        assert image.dtype == np.uint8 and image.ndim == 2
