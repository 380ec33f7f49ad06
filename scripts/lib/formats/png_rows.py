"""Whether a PNG holds all rows that its header announces: Pillow takes one that ends early in good order, and leaves the rest black.

PNG (ISO/IEC 15948): 5.3 chunks, 8 interlacing, 9 filters.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from scripts.lib.formats.record import Rejected

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples a pixel by colour type
# Adam7: first row, first column, steps down and across of each pass.
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
PART = 1 << 20  # bytes inflated at a time


def check_whole(data: bytes, picture: Image.Image) -> None:
    """Raise Rejected for a PNG whose rows end before its header's last; `picture` is what Pillow made of it."""
    width, height, depth, colours, *_, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    # What is missing was left at 0, and without passes it is at the end.
    if not interlaced and np.asarray(picture.crop((0, height - 1, width, height))).any():
        return
    need = sum(
        rows * (1 + -(-columns * depth * CHANNELS[colours] // 8))
        for rows, columns in _passes(width, height, interlaced)
    )
    made = _inflated(data, need)
    if made < need:
        raise Rejected(f"the PNG is cut: {made} bytes of rows, its header announces {need}")


def _passes(width: int, height: int, interlaced: int) -> Iterator[tuple[int, int]]:
    """Yield (rows, columns) of each pass; one without pixels has no bytes either."""
    for top, left, down, across in PASSES if interlaced else ((0, 0, 1, 1),):
        rows, columns = -(-(height - top) // down), -(-(width - left) // across)
        if rows > 0 and columns > 0:
            yield rows, columns


def _inflated(data: bytes, need: int) -> int:
    """Return how many bytes the IDAT chunks inflate to, not counted beyond `need`."""
    stream, total, at = zlib.decompressobj(), 0, 8
    while at + 8 <= len(data) and total < need and not stream.eof:
        length, kind = struct.unpack_from(">I4s", data, at)
        part = data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        while part and total < need and not stream.eof:
            total += len(stream.decompress(part, PART))
            part = stream.unconsumed_tail
        at += length + 12
    return total
