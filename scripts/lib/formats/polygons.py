"""Outlines as masks: a polygon's pixels are those inside of it and those that its line touches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from scripts.lib.formats.record import Notes

CLIPPED = "polygons that reach outside of their film, cut off at its border"
Points = Sequence[Sequence[float]]


def polygon_mask(polygons: Sequence[Points], shape: tuple[int, int], notes: Notes) -> NDArray[np.bool_]:
    """Return the union of polygons, points (x, y) in pixels from the top left pixel's middle, as bool (H, W).

    A point on a pixel's middle belongs to that pixel, so that (1, 1), (3, 1), (3, 3), (1, 3) is a square of 3 x 3. What lies
    outside of the film is cut off and noted.
    """
    canvas = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(canvas)
    for points in polygons:
        whole = [(round(x), round(y)) for x, y in points]
        xs, ys = [x for x, _ in whole], [y for _, y in whole]
        # A corner on the film's lower or right edge is how many tools write the last pixel.
        notes[CLIPPED] += min(xs) < 0 or min(ys) < 0 or max(xs) > shape[1] or max(ys) > shape[0]
        draw.polygon(whole, fill=1, outline=1)
    return np.array(canvas, dtype=bool)
