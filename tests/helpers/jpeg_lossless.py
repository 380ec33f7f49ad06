"""A small encoder of lossless JPEG (ITU-T T.81 process 14, predictor 1), which no library in the lock has, for tests."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

# One Huffman code a difference category 0..16: seventeen codes of five bits, none of them all ones.
LENGTH = 5


def encode(pixels: NDArray[np.integer], precision: int) -> bytes:
    """Return the picture of unsigned `pixels` (H, W) of `precision` bits as a JPEG stream, SOI to EOI."""
    height, width = pixels.shape
    frame = struct.pack(">BHHB3B", precision, height, width, 1, 1, 0x11, 0)
    counts = [0] * 16
    counts[LENGTH - 1] = 17
    table = bytes([0, *counts, *range(17)])
    scan = bytes([1, 1, 0, 1, 0, 0])  # one component, predictor 1, no point transform
    head = b"\xff\xd8" + _segment(0xC3, frame) + _segment(0xC4, table) + _segment(0xDA, scan)
    return head + _entropy(_differences(pixels.astype(np.int64), precision)) + b"\xff\xd9"


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _differences(pixels: NDArray[np.int64], precision: int) -> list[int]:
    """Return each pixel less its left neighbour, the first of a row less the one above, the first of all less half."""
    before = np.empty_like(pixels)
    before[:, 1:] = pixels[:, :-1]
    before[1:, 0] = pixels[:-1, 0]
    before[0, 0] = 1 << (precision - 1)
    wrapped = (pixels - before) & 0xFFFF
    return np.where(wrapped > 0x8000, wrapped - 0x10000, wrapped).ravel().tolist()


def _entropy(differences: list[int]) -> bytes:
    bits = []
    for value in differences:
        size = abs(value).bit_length()
        bits.append(f"{size:0{LENGTH}b}")
        if 0 < size < 16:  # negative differences are written as one less, in two's complement
            bits.append(f"{value if value > 0 else value + (1 << size) - 1:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
