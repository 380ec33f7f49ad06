"""Compressed pictures, looked at before a decoder allocates what they claim, or fills what they lack with grey.

JPEG and JPEG-LS: ITU-T T.81 annex B and T.87 annex C. JPEG 2000: ISO/IEC 15444-1 annex A. RLE: DICOM PS3.5 annex G.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.lib.formats.record import Rejected

# JPEG frame headers: SOF0-3, 5-7, 9-11, 13-15, and SOF55 of JPEG-LS.
SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
# After 0xFF, JPEG stuffs a zero byte and JPEG-LS a zero bit: what is left are markers.
MARKER = re.compile(rb"\xff+([\x80-\xfe])")
RESTART = frozenset(range(0xD0, 0xD8))
SCANS = 100  # progressive encoders write about ten; each further scan costs the decoder a pass over the whole picture
FILLING = b"\x55" * 8
START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
CUT = "the compressed picture is cut"


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """What a compressed picture says of itself; `end` is the offset behind its end marker, `data` the picture alone."""

    kind: str
    rows: int
    columns: int
    samples: int
    bits: int
    data: bytes
    end: int
    scans: tuple[int, ...] = ()
    progressive: bool = False
    signed: bool | None = None  # JPEG and JPEG-LS do not say


def read_picture(data: bytes) -> CodedPicture:
    """Return what the JPEG, JPEG-LS or JPEG 2000 picture at the start of `data` says of itself.

    Raises Rejected when there is none, or when it lacks its end or a part that its own headers announce.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        start = data.find(START_OF_CODESTREAM, 0, 4096)
        if start == 0 or (start > 0 and data[4:8] == b"jP  "):
            return _jpeg2000(data, start)
    except (IndexError, struct.error):
        raise Rejected(CUT) from None
    raise Rejected("no JPEG, JPEG-LS or JPEG 2000 picture at the start of the compressed data")


def refilled(picture: CodedPicture) -> bytes:
    """Return a JPEG or JPEG-LS picture with a few bytes put before the marker that ends each of its scans.

    A whole picture decodes to the same pixels, because its decoder has no use for more bytes. One that was cut and given
    an end marker, or lost bytes before a restart, decodes to others: what is missing is made up from what follows.
    """
    parts, start = [], 0
    for end in picture.scans:
        parts += [picture.data[start:end], FILLING]
        start = end
    return b"".join([*parts, picture.data[start:]])


def _jpeg(data: bytes) -> CodedPicture:
    at, frame, scans, count = 2, None, [], 0
    while True:
        match = MARKER.match(data, at)
        if match is None:
            raise Rejected(CUT if at >= len(data) else f"no JPEG marker at byte {at} of the compressed picture")
        marker, body = match[1][0], match.end()
        if marker == END_OF_IMAGE:
            at = body
            break
        at = body + struct.unpack_from(">H", data, body)[0]
        if marker in SOF and frame is None:
            frame = (marker, *struct.unpack_from(">BHHB", data, body + 2))
        if marker == START_OF_SCAN:
            count += 1
            ends = list(_scan_ends(data, at))
            at = ends[-1]
            scans += ends
            if count > SCANS:
                raise Rejected(f"compressed picture of more than {SCANS} scans")
    if frame is None or not scans:
        raise Rejected("the compressed picture has no frame or no scan")
    marker, bits, rows, columns, samples = frame
    kind = "JPEG-LS" if marker == 0xF7 else "JPEG"
    return CodedPicture(kind, rows, columns, samples, bits, data[:at], at, tuple(scans), marker in PROGRESSIVE)


def _scan_ends(data: bytes, start: int) -> Iterator[int]:
    """Yield where each stretch of coded data from `start` on ends: at restart markers, and at the marker after the scan."""
    while True:
        marker = MARKER.search(data, start)
        if marker is None:
            raise Rejected(f"{CUT}: it has no end")
        yield marker.start()
        if marker[1][0] not in RESTART:
            return
        start = marker.end()


def _jpeg2000(data: bytes, start: int) -> CodedPicture:
    right, bottom, left, top, width, height, x, y, samples = struct.unpack_from(">8IH", data, start + 8)
    signed, bits = data[start + 42] > 0x7F, (data[start + 42] & 0x7F) + 1
    if not (width and height and samples):
        raise Rejected("JPEG 2000 picture without tiles or samples")
    tiles = -(-(right - x) // width) * -(-(bottom - y) // height)
    end = _tile_parts(data, start, tiles)
    return CodedPicture("JPEG 2000", bottom - top, right - left, samples, bits, data[:end], end, signed=signed)


def _tile_parts(data: bytes, start: int, tiles: int) -> int:
    """Return the offset behind a JPEG 2000 picture; raises Rejected unless every tile is there to its stated length."""
    at = start + 2
    while data[at : at + 2] != b"\xff\x90":
        if data[at] != 0xFF:
            raise Rejected(f"no JPEG 2000 marker at byte {at} of the compressed picture")
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    tiles_seen = set()
    while data[at : at + 2] == b"\xff\x90":
        tile, length = struct.unpack_from(">HI", data, at + 4)
        tiles_seen.add(tile)
        if length == 0:  # the last part, as long as there are data
            at = data.rfind(b"\xff\xd9", at)
            break
        if length < 14:
            raise Rejected(f"JPEG 2000 tile part of {length} bytes")
        at += length
    if at < 0 or data[at : at + 2] != b"\xff\xd9":
        raise Rejected(f"{CUT}: it ends within a tile, or has no end")
    if len(tiles_seen) != tiles:
        raise Rejected(f"{CUT}: {len(tiles_seen)} of {tiles} tiles are there")
    return at + 2


def check_run_lengths(data: bytes, rows: int, columns: int, samples: int, bits: int) -> int:
    """Return by how many bytes RLE data are longer than the picture of a header (0 when they fit, or by padding only).

    Raises Rejected when their segments are not those of the header, or decode to another number of rows.
    """
    if len(data) < 64:
        raise Rejected(f"{CUT}: {len(data)} bytes of RLE data")
    count = struct.unpack_from("<I", data)[0]
    wanted = samples * -(-bits // 8)
    if count != wanted:
        raise Rejected(f"RLE data of {count} segments, the header's {samples} samples of {bits} bits need {wanted}")
    bounds = [*struct.unpack_from(f"<{count}I", data, 4), len(data)]
    if bounds[0] < 64 or any(low >= high for low, high in zip(bounds, bounds[1:])):
        raise Rejected(f"{CUT}: a segment of its RLE data begins behind their end")
    need = rows * columns
    spare = [_spare(data, low, high, need) for low, high in zip(bounds, bounds[1:])]
    if min(spare) < 0:
        raise Rejected(f"{CUT}: an RLE segment holds {need + min(spare)} bytes, {rows} x {columns} pixels need {need}")
    if min(spare) > 0 and len(set(spare)) == 1 and spare[0] % columns == 0:
        raise Rejected(f"RLE segments of {need + spare[0]} bytes, {rows} x {columns} pixels need {need}")
    return max(spare)


def _spare(data: bytes, at: int, end: int, need: int) -> int:
    """Return how many bytes one RLE segment decodes to beyond `need`, negative when it is too short."""
    made, limit = 0, need + (1 << 20)
    while at < end:
        control = data[at]
        if control > 128:
            made += 257 - control if at + 1 < end else 0
            at += 2
        elif control < 128:
            made += min(control + 1, end - at - 1)
            at += 2 + control
        else:
            at += 1
        if made > limit:
            raise Rejected(f"RLE segment of more than {limit} bytes, the picture needs {need}")
    return made - need
