"""Images that agree least with what they were asked to show, worst first: the mask, the image and what a judge finds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from scripts.lib.core.phantom import mark
from scripts.lib.plotting.nearest import COPY, LINE, heading_width, name_tiles, within, write_heading
from scripts.lib.plotting.sheet import EDGE, GAP, HEADING, INK, PAPER, SOFT, TILE, sheet_font

MOST = 12  # images in the picture
WIDTH = 3  # groups in a row
NAMES = ("asked mask", "image", "found mask")


def draw_judged(
    tiles: np.ndarray, captions: Sequence[tuple[str, str, bool]], name: str, about: tuple[str, str]
) -> Image.Image:
    """Return the picture, RGB.

    tiles     uint8 (n, k, H, H): side by side the asked mask, the image and the mask that is found, or the image alone
    captions  first line, second line, and whether the judge denies the image, which gets a red frame
    name      dataset, arm and fraction of the pool
    about     the rest of the title, and what is shown
    """
    side = tiles.shape[-1]
    factor, step = max(1, TILE // side), max(1, -(-side // (2 * TILE)))
    tile = len(range(0, side, step)) * factor
    each = tiles.shape[1]
    columns = min(2 * WIDTH if each == 1 else WIDTH, max(1, len(tiles)))
    group, row = each * (tile + 2) - 2, tile + 2 * LINE + GAP
    # A caption is longer than a small image is wide: the next one begins behind it.
    place_width = max(group, *(math.ceil(sheet_font(10).getlength(first)) for first, _, _ in captions))
    title = f"{mark()}{name}: {about[0]}"
    width = max(2 * EDGE + columns * place_width + (columns - 1) * EDGE, heading_width(title, about[1]))
    picture = Image.new("RGB", (width, 2 * EDGE + 2 * HEADING + -(-len(tiles) // columns) * row), PAPER)
    pen = ImageDraw.Draw(picture)
    write_heading(pen, title, about[1])
    for place, (parts, (first, second, denied)) in enumerate(zip(tiles, captions)):
        left = EDGE + place % columns * (place_width + EDGE)
        top = EDGE + 2 * HEADING + place // columns * row
        for number, pixels in enumerate(parts):
            large = np.repeat(np.repeat(pixels[::step, ::step], factor, 0), factor, 1)
            picture.paste(Image.fromarray(large), (left + number * (tile + 2), top))
        if place < columns and each == len(NAMES):
            name_tiles(pen, NAMES, left, top, tile)
        if denied:
            pen.rectangle((left - 2, top - 2, left + group + 1, top + tile + 1), outline=COPY, width=2)
        pen.text((left, top + tile + 3), first, COPY if denied else INK, sheet_font(10))
        pen.text((left, top + tile + 3 + LINE - 2), within(pen, second, place_width), SOFT, sheet_font(9))
    return picture
