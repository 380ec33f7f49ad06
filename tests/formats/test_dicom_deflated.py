"""Deflated DICOM films: what is packed is read, and a bomb is refused behind any meta group."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from pydicom import uid

from scripts.lib.formats import deflate, dicom
from scripts.lib.formats.record import Rejected
from tests.helpers.dicom_files import dataset, ramp, to_bytes

LIMIT = 1 << 22


def read(data: bytes):
    return dicom.read_film(data, LIMIT, (0, 100))


def deflated(payload: bytes, private: int = 0) -> bytes:
    """A deflated film of which `payload` is the packed part; `private` bytes of meta group come before it."""
    ds = dataset(ramp())
    ds.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    if private:
        ds.file_meta.PrivateInformationCreatorUID = "1.2.3"
        ds.file_meta.PrivateInformation = b"\1" * private
    data = to_bytes(ds)
    start = 144 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return data[:start] + packer.compress(payload) + packer.flush() if payload else data


@pytest.mark.parametrize("private", [0, 2_000, 200_000])
def test_a_deflated_bomb_behind_any_meta_group_is_refused(private: int) -> None:
    assert np.array_equal(read(deflated(b"", private))[0], ramp())
    with pytest.raises(Rejected, match="unpack to more than"):
        read(deflated(b"\0" * (4 * LIMIT + 1000), private))


def test_a_bomb_within_the_size_limit_is_told_by_its_ratio() -> None:
    with pytest.raises(Rejected, match="250 times their size"):
        deflate.check_inflated(deflated(b"\0" * (1 << 23)), 1 << 30)


def test_a_meta_group_without_preamble_or_with_a_wrong_length_hides_no_bomb() -> None:
    bomb = deflated(b"\0" * (4 * LIMIT + 1000), 2_000)
    wrong = bomb[:140] + struct.pack("<I", 4) + bomb[144:]
    for data in (bomb[132:], wrong):
        with pytest.raises(Rejected, match="unpack to more than"):
            read(data)
