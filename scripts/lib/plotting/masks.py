"""A sheet of masks for the eye: what was asked for, the mask, and a real mask of the same findings."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw

from scripts.lib.conditions.mask_picture import conditioning_image
from scripts.lib.conditions.mask_prompts import Ask, ask_text

ROWS, COLUMNS, SIDE, LINE = 4, 6, 128, 30
INK, PAPER = (20, 20, 20), (255, 255, 255)


class SheetMasks(Protocol):
    """What the sheet needs of a set of masks."""

    fields: np.ndarray
    asks: list[Ask]
    structures: list[str]


def draw_masks(path: Path, pool: SheetMasks, real: SheetMasks) -> None:
    """Write a PNG: pairs of a mask of the pool (left) and, if there is one, a real mask that shows the same (right)."""
    words = {ask_text(ask): row for row, ask in reversed(list(enumerate(real.asks)))}
    step = max(1, len(pool.fields) // (ROWS * COLUMNS))
    sheet = Image.new("RGB", (COLUMNS * (2 * SIDE + 8), ROWS * (SIDE + LINE)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, row in enumerate(range(0, min(len(pool.fields), step * ROWS * COLUMNS), step)):
        left, top = number % COLUMNS * (2 * SIDE + 8), number // COLUMNS * (SIDE + LINE)
        text = ask_text(pool.asks[row])
        pen.multiline_text((left + 2, top + 2), _wrapped(text), fill=INK, font_size=10, spacing=1)
        sheet.paste(_picture(pool.fields[row], pool.structures), (left, top + LINE))
        if text in words:
            sheet.paste(_picture(real.fields[words[text]], real.structures), (left + SIDE, top + LINE))
    sheet.save(path, format="PNG")


def _picture(field: np.ndarray, structures: list[str]) -> Image.Image:
    return Image.fromarray(conditioning_image(field, structures)).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def _wrapped(text: str, width: int = 48) -> str:
    lines: list[str] = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:2])
