"""Compressed parts of a DICOM file, looked at before a decoder allocates what they claim or fills what they lack."""

from __future__ import annotations

import struct
import zlib

from scripts.lib.formats.record import Rejected

# JPEG frame headers: SOF0-3, 5-7, 9-11, 13-15, and SOF55 of JPEG-LS.
SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}


DEFLATED = b"1.2.840.10008.1.2.1.99"
END_OF_IMAGE = b"\xff\xd9"


def check_inflated(data: bytes, limit: int) -> None:
    """Raise Rejected when a file in the deflated transfer syntax would unpack to more than `limit` bytes.

    The meta group, which names the syntax, is never deflated; its length stands in its first element (PS3.10 7.1).
    """
    if data[128:132] != b"DICM" or DEFLATED not in data[132:1024]:
        return
    start = 144 + int.from_bytes(data[140:144], "little")
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS)
    if len(unpacked.decompress(data[start:], limit)) >= limit:
        raise Rejected(f"unpacks to more than {limit} bytes")


def check_picture(pixel_data: bytes, rows: int, columns: int) -> None:
    """Raise Rejected when a JPEG or JPEG 2000 picture claims another size than the header, or lacks its end.

    `pixel_data` are the encapsulated items; decoders grey out what a cut picture lacks instead of refusing it.
    """
    claimed = jpeg2000_size(pixel_data) or jpeg_size(pixel_data)
    if claimed and claimed != (rows, columns):
        raise Rejected(f"compressed picture of {claimed[0]} x {claimed[1]} pixels, the header says {rows} x {columns}")
    if claimed and END_OF_IMAGE not in pixel_data[-64:]:
        raise Rejected("pixel data are cut: the compressed picture has no end")


def jpeg2000_size(data: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) of the first JPEG 2000 codestream in the data, None when there is none."""
    at = data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0 or len(data) < at + 24:
        return None
    width, height, left, top = struct.unpack(">4I", data[at + 8 : at + 24])
    return height - top, width - left


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) of the first JPEG or JPEG-LS picture in the data, None when there is none."""
    at = data.find(b"\xff\xd8\xff", 0, 4096)
    if at < 0:
        return None
    at += 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in SOF:
            return struct.unpack(">2H", data[at + 5 : at + 9])
        if marker == 0xFF:
            at += 1
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
