"""The nearest pairs of a pool side by side, worst first: an image and its nearest training film."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from scripts.lib.core.phantom import mark
from scripts.lib.plotting.sheet import EDGE, GAP, HEADING, INK, PAPER, SOFT, TILE, sheet_font

COLUMNS, MOST = 3, 12  # pairs in a row of the picture, and in all
LINE = 16
COPY = (192, 57, 43)
NAMES = ("image", "nearest training film")


def draw_nearest(
    images: np.ndarray, films: np.ndarray, captions: Sequence[tuple[str, str, bool]], name: str, about: str
) -> Image.Image:
    """Return the picture, RGB: images and films uint8 (n, H, H), each pair side by side.

    `name`: dataset, arm and fraction of the pool. `captions` are (first line, second line, whether it counts as a near-copy);
    these have a red frame. Films are enlarged by whole numbers, so that every pixel is seen as it is.
    """
    side = images.shape[1]
    factor = max(1, TILE // side)
    step = max(1, -(-side // (2 * TILE)))  # large films are thinned out
    tile = len(range(0, side, step)) * factor
    columns = min(COLUMNS, max(1, len(images)))
    pair, row = 2 * tile + 2, tile + 2 * LINE + GAP
    title = f"{mark()}{name}: images most like a training film, worst first"
    width = max(2 * EDGE + columns * pair + (columns - 1) * EDGE, heading_width(title, about))
    height = 2 * EDGE + 2 * HEADING + -(-len(images) // columns) * row
    picture = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(picture)
    write_heading(pen, title, about)
    for place, (image, film, (first, second, copy)) in enumerate(zip(images, films, captions)):
        left = EDGE + place % columns * (pair + EDGE)
        top = EDGE + 2 * HEADING + place // columns * row
        for number, pixels in enumerate((image, film)):
            large = np.repeat(np.repeat(pixels[::step, ::step], factor, 0), factor, 1)
            picture.paste(Image.fromarray(large), (left + number * (tile + 2), top))
        if place < columns:
            name_tiles(pen, NAMES, left, top, tile)
        if copy:
            pen.rectangle((left - 2, top - 2, left + pair + 1, top + tile + 1), outline=COPY, width=2)
        pen.text((left, top + tile + 3), first, COPY if copy else INK, sheet_font(10))
        pen.text((left, top + tile + 3 + LINE - 2), within(pen, second, pair), SOFT, sheet_font(9))
    return picture


def heading_width(title: str, about: str) -> int:
    """Return how many pixels wide a picture has to be for both lines of its heading."""
    lengths = (sheet_font(16, bold=True).getlength(title), sheet_font(11).getlength(about))
    return 2 * EDGE + math.ceil(max(lengths))


def write_heading(pen: ImageDraw.ImageDraw, title: str, about: str) -> None:
    """Write the two lines on top of a picture."""
    pen.text((EDGE, EDGE - 6), title, INK, sheet_font(16, bold=True))
    pen.text((EDGE, EDGE + HEADING - 8), about, SOFT, sheet_font(11))


def name_tiles(pen: ImageDraw.ImageDraw, names: Sequence[str], left: int, top: int, tile: int) -> None:
    """Write above the first row what each tile of a group shows; `left`, `top`: pixels of its corner, `tile`: width of each."""
    for number, name in enumerate(names):
        pen.text((left + number * (tile + 2), top - LINE), within(pen, name, tile), SOFT, sheet_font(9))


def within(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """Return the text, cut where it would reach into the next pair; whole names stand in the table."""
    font = sheet_font(9)
    if pen.textlength(text, font=font) <= width:
        return text
    while text and pen.textlength(f"{text}…", font=font) > width:
        text = text[:-1]
    return f"{text}…"
