"""Images that somebody made elsewhere, on disk in the three forms that a pool may have, and the settings of their dataset."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.lib.core.seeds import rng

SETTINGS: dict[str, Any] = {
    "task": "classification",
    "target": "pneumonia",
    "labels": ["pneumonia"],
    "quarantine_limit": 0.5,
}
MASKS: dict[str, Any] = {"task": "segmentation", "target": "lungs", "labels": [], "quarantine_limit": 0.5}


def picture(number: int, side: int = 16) -> np.ndarray:
    """Return an image of its own, uint8 (side, side)."""
    return rng("own image", number).integers(0, 255, (side, side)).astype(np.uint8)


def write_images(folder: Path, rows: Sequence[Mapping[str, Any]], side: int = 16, table: str = "labels.csv") -> Path:
    """Write one PNG for each row, and the rows as a table; a row may name its picture by `number` (default: its place)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for place, row in enumerate(rows):
        line = {"image_id": f"i{place}", "file": f"i{place}.png", **row}
        Image.fromarray(picture(line.pop("number", place), side)).save(folder / line["file"])
        lines.append(line)
    with (folder / table).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return folder


def labelled(count: int) -> list[dict[str, Any]]:
    """Return rows of which every second shows pneumonia."""
    return [{"pneumonia": place % 2} for place in range(count)]


def with_masks(folder: Path, count: int, side: int = 16) -> Path:
    """Write images with a mask each: a square, empty in every fourth."""
    folder.mkdir(parents=True)
    rows = []
    for place in range(count):
        mask = np.zeros((side, side), np.uint8)
        mask[: side // 2, : side // 2] = 0 if place % 4 == 3 else 255
        Image.fromarray(mask).save(folder / f"m{place}.png")
        rows.append({"mask_file": f"m{place}.png"})
    return write_images(folder, rows, side)
