"""Masks beside the images that a generator made from them: one picture that shows what the workflow draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_picture import PALETTE, conditioning_image, painted
from scripts.lib.plotting.sheet import INK, PAPER, SOFT, sheet_font

TILE, GAP, LEFT, LINE = 192, 8, 128, 34


def pick_pairs(pool: Cohort, structure: str, most: int) -> np.ndarray:
    """Return positions of at most `most` images whose masks show a structure, of different masks, spread over its size."""
    sizes = (pool.masks(slice(0, len(pool))) & pool.bit(structure) != 0).sum(axis=(1, 2))
    shown = np.flatnonzero(sizes)
    names = pool.index["mask_sha256"].to_numpy()[shown] if "mask_sha256" in pool.index else shown
    _, first = np.unique(names, return_index=True)
    single = shown[np.sort(first)]
    ordered = single[np.argsort(sizes[single], kind="stable")]
    return ordered[np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int)]


def draw_pairs(masks: np.ndarray, images: np.ndarray, structures: Sequence[str], about: str) -> Image.Image:
    """Return the picture, RGB: masks uint8 bit fields and images uint8, both (n, H, H), one above the other.

    `about` is one line below them. Pixels are enlarged smoothly, masks with hard edges.
    """
    count = len(images)
    picture = Image.new("RGB", (LEFT + count * (TILE + GAP), 2 * (TILE + GAP) + 2 * LINE), PAPER)
    pen = ImageDraw.Draw(picture)
    fields = conditioning_image(masks, structures)
    for number in range(count):
        left = LEFT + number * (TILE + GAP)
        mask = Image.fromarray(fields[number]).resize((TILE, TILE), Image.Resampling.NEAREST)
        image = Image.fromarray(images[number]).resize((TILE, TILE), Image.Resampling.BICUBIC)
        picture.paste(mask, (left, 0))
        picture.paste(image.convert("RGB"), (left, TILE + GAP))
    for row, words in enumerate((("mask", "that goes in"), ("image", "that comes out"))):
        middle = row * (TILE + GAP) + TILE // 2
        pen.text((0, middle - 22), words[0], INK, sheet_font(20, bold=True))
        pen.text((0, middle + 4), words[1], SOFT, sheet_font(14))
    left, top = LEFT, 2 * (TILE + GAP) + 6
    codes = np.bitwise_or.reduce(masks, axis=None)
    for name in painted([one for bit, one in enumerate(structures) if codes >> bit & 1]):
        pen.rectangle((left, top + 3, left + 16, top + 19), fill=PALETTE.get(name, SOFT), outline=SOFT)
        words_ = name.replace("_", " ")
        pen.text((left + 24, top), words_, INK, sheet_font(16))
        left += 24 + round(pen.textlength(words_, font=sheet_font(16))) + 26
    pen.text((LEFT, top + LINE - 6), about, SOFT, sheet_font(15))
    return picture
