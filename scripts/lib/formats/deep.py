"""PNG pictures of 16 bits a sample with colour or alpha, which Pillow opens with the upper 8 bits only."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

# Of Pillow's raw mode, what to read instead: both halves of every sample in turn, or (LA) four bytes a pixel at once.
HALVES = {"RGB;16B": ("RGB;16B", "RGB;16L"), "RGBA;16B": ("RGBA;16B", "RGBA;16L"), "LA;16B": ("RGBA",)}


def is_deep(picture: Image.Image) -> bool:
    """Whether an opened picture, not yet loaded, is a PNG of 16 bits with colour or alpha."""
    return picture.format == "PNG" and _raw_mode(picture) in HALVES


def deep_samples(data: bytes) -> NDArray[np.uint16]:
    """Return the samples uint16 (H, W, C) of a picture that `is_deep`: C = 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
    parts = []
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        modes = HALVES[_raw_mode(picture)]
    for mode in modes:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            # The filters of PNG work on bytes, so that what a raw mode takes out of them does not matter to the decoder.
            assert isinstance(picture, ImageFile.ImageFile)  # whatever open() returns for a PNG
            picture.tile = [tile._replace(args=mode) for tile in picture.tile]
            parts.append(np.array(picture))
    if len(parts) == 1:
        return np.ascontiguousarray(parts[0]).view(">u2").astype(np.uint16)
    return parts[0].astype(np.uint16) << 8 | parts[1]


def _raw_mode(picture: Image.Image) -> str:
    tiles = getattr(picture, "tile", None)
    args = tiles[0].args if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args)
