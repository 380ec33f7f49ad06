"""Files in DICOM's deflated transfer syntax: how much they unpack to, found out before anything holds it in memory."""

from __future__ import annotations

import io
import zlib

from scripts.lib.formats.record import Rejected

CHUNK = 1 << 20
# Films deflate by 2 to 4, half-empty ones by some tens; zlib itself by 1,032 at most.
RATIO = 250
RATIO_FROM = 1 << 22  # bytes; below this a bomb does no harm, and small drawn pictures deflate well


def check_inflated(data: bytes, limit: int) -> None:
    """Raise Rejected when a deflated file would unpack to more than `limit` bytes, or to more than RATIO times its size.

    The meta group, which names the syntax, is never deflated (PS3.10 7.1). It is parsed by pydicom's own functions, so
    that what is measured here begins at the byte from which pydicom unpacks.
    """
    packed = _deflated_part(data)
    if not packed:
        return
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    total, part = 0, packed
    while part and not stream.eof:
        total += len(stream.decompress(part, CHUNK))
        part = stream.unconsumed_tail
        if total > limit:
            raise Rejected(f"deflated data unpack to more than {limit} bytes")
        if total > max(RATIO_FROM, RATIO * len(packed)):
            raise Rejected(f"deflated data unpack to more than {RATIO} times their size")


def _deflated_part(data: bytes) -> bytes:
    """Return the bytes that pydicom would inflate, b"" for any other transfer syntax."""
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import _read_command_set_elements, _read_file_meta_info, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    stream = io.BytesIO(data)
    try:
        read_preamble(stream, True)
        meta = _read_file_meta_info(stream)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return b""
        _read_command_set_elements(stream)
    except InvalidDicomError:
        return b""
    return data[stream.tell() :]
