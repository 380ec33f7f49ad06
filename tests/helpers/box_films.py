"""Boxes found and true of made-up films, and a small cohort of two structures whose films were not all looked at alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.lib.cohort.boxes import BOXES, write_boxes
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.seeds import rng
from scripts.lib.formats.record import Box

Kinds = list[tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray | None]]]
SIDE = 32


def made_boxes(seed: int, films: int = 40, kinds: int = 3) -> Kinds:
    """Return for each kind what was found on each film, its scores, and the true boxes: some near, some not, scores with ties."""
    drawn = np.random.default_rng(seed)
    found: Kinds = [([], [], []) for _ in range(kinds)]
    for _ in range(films):
        for kind in range(kinds):
            true, boxes, scores = [], [], []
            for _ in range(drawn.integers(0, 3)):
                true.append(_box(drawn))
                if drawn.random() < 0.8:
                    near = np.array(true[-1]) + drawn.normal(0, drawn.choice([0.3, 1.5, 3]), 4)
                    if near[2] > near[0] and near[3] > near[1]:
                        boxes.append(list(near))
                        scores.append(round(float(drawn.random()), 2))
            for _ in range(drawn.integers(0, 5)):
                boxes.append(_box(drawn))
                scores.append(round(float(drawn.random() * 0.8), 2))
            for into, part in zip(found[kind], (_edges(boxes), np.array(scores), _edges(true))):
                into.append(part)
    return found


def _box(drawn: np.random.Generator) -> list[float]:
    x, y = drawn.uniform(0, 40, 2)
    width, height = drawn.uniform(3, 20, 2)
    return [x, y, x + width, y + height]


def _edges(boxes: list[list[float]]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def write_box_films(folder: Path, count: int, test: int = 0, table: bool = False, heart_known: bool = True) -> Cohort:
    """Write films with a bright square, the mask `spot`, on odd ones, and a dark one, `hole`, on every third.

    table        whether boxes.parquet has the boxes of `spot`, a pixel wider on each side than its mask
    heart_known  whether somebody looked for `hole` on films that do not show it
    """
    boxes: list[tuple[int, Box]] = []
    with CohortWriter(folder, SIDE, ["spot", "hole"], [], {"dataset": "toy"}) as writer:
        for number in range(count):
            stream = rng("box film", number)
            image, mask = stream.integers(80, 100, (SIDE, SIDE)), np.zeros((SIDE, SIDE), np.uint8)
            for bit, shown, change in ((1, number % 2, 100), (2, number % 3 == 0, -70)):
                top, left = stream.integers(1, SIDE - 13, 2)
                if shown:
                    image[top : top + 12, left : left + 12] += change
                    mask[top : top + 12, left : left + 12] |= bit
                    if bit == 1:
                        boxes.append((number, ("spot", left - 1.0, top - 1.0, left + 13.0, top + 13.0)))
            film = image.clip(0, 255).astype(np.uint8)
            looked = 3 if heart_known or number % 3 == 0 else 1
            about = {"split": "test" if number >= count - test else "train", "annotated": looked}
            names = {"image_id": f"f{number}", "patient_id": f"p{number}", "sha256": pixels_sha256(film)}
            writer.add(film, mask, {**names, **about, "mask_sha256": pixels_sha256(mask)})
    if table:
        write_boxes(folder / BOXES, boxes)
    return Cohort.open(folder)
