"""The boxes of findings beside a cohort: boxes.parquet, one row a box.

    row             which image of the cohort, from 0
    structure       what the box holds
    x0, y0, x1, y1  its left, top, right and bottom edge in pixels of the image, from the top left corner

A dataset without boxes has the table without rows. That an image has no row says nothing where its dataset has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet
from scripts.lib.formats.record import Box

BOXES = "boxes.parquet"
EDGES = ("x0", "y0", "x1", "y1")
LEAST = 2  # pixels of a part of a mask that has a box


def write_boxes(path: Path, boxes: Sequence[tuple[int, Box]]) -> None:
    """Write boxes, each with the number of its image, in their order."""
    rows = [(row, *box) for row, box in boxes]
    frame = pd.DataFrame(rows, columns=["row", "structure", *EDGES])
    frame.astype({"row": "int64", "structure": "string", **dict.fromkeys(EDGES, "float32")}).to_parquet(
        path, index=False
    )


def read_boxes(folder: Path) -> pd.DataFrame:
    """Return the boxes of a cohort's folder; raises InputError where the table is missing or has other columns."""
    path = Path(folder) / BOXES
    table = read_parquet(path, "the boxes of a cohort", "prepare it anew")
    if missing := [name for name in ("row", "structure", *EDGES) if name not in table]:
        raise InputError(f"{path}: no column {', '.join(missing)}; prepare this cohort anew")
    return table


def part_boxes(mask: np.ndarray) -> np.ndarray:
    """Return the box of each connected part of a mask (H, W), float32 (k, 4): left, top, right, lower edge, the last two outside.

    A part of a single pixel has none.
    """
    numbered, _ = ndimage.label(mask)
    edges = []
    for number, part in enumerate(ndimage.find_objects(numbered), start=1):
        if np.count_nonzero(numbered[part] == number) >= LEAST:
            down, across = part
            edges.append((across.start, down.start, across.stop, down.stop))
    return np.array(edges, np.float32).reshape(-1, 4)
