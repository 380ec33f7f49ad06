"""The rows of Figure 5 A: words, the mask made of them, the image made of the mask, and a real film that shows the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.lib.cohort.boxes import EDGES, part_boxes
from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_prompts import ask_of, ask_text, findings_of
from scripts.lib.core.errors import InputError

Boxes = list[tuple[str, tuple[float, float, float, float]]]  # structure; left, top, right, lower edge in pixels


@dataclass(frozen=True)
class ShownFilm:
    """An image or film uint8 (H, W), its mask field uint8 (H, W), and the boxes of its findings."""

    image: np.ndarray
    field: np.ndarray
    boxes: Boxes


@dataclass(frozen=True)
class Example:
    """One row: the words, what was made of them, and a real film that shows the same, None where none does."""

    words: str
    made: ShownFilm
    real: ShownFilm | None


def choose_examples(
    masks: Cohort, images: Cohort, conditions: pd.DataFrame, films: Cohort, boxes: pd.DataFrame, count: int
) -> list[Example]:
    """Return `count` examples, the first of each number of findings in turn, 1, 2, 3 ...; those of a real test film's words first.

    masks       pool of masks; one that is not valid or does not show what was asked for is no example
    images      pool of the images made from them; `conditions` says which image has which mask
    films       the real cohort, whose test films taught nothing; `boxes` are its boxes (cohort/boxes.py)

    Raises InputError where no mask shows a finding that was asked for and has an image.
    """
    index = masks.index.reset_index(drop=True)
    made = _images_of(images, conditions)
    good = index[
        (index["faults"].fillna("") == "") & (index["ask"] == index["shown"]) & index["image_id"].isin(list(made))
    ]
    good = good.assign(findings=[text.count('":') for text in good["ask"]])
    good = good[good["findings"] > 0]
    if good.empty:
        raise InputError(
            f"{masks.folders[0]}: no valid mask shows what it was asked for, so there is no example to draw"
        )
    rows = films.rows(split="test")
    words = [ask_text(ask_of(field, films.structures)) for field in films.masks(rows)]
    known = {text: int(row) for text, row in reversed(list(zip(words, rows)))}
    good = good.assign(twin=[text in known for text in good["prompt"]])
    good = good.sort_values(["twin"], ascending=False, kind="stable").drop_duplicates("prompt")
    good = good.assign(turn=good.groupby("findings").cumcount())
    chosen = good.sort_values(["turn", "findings"], kind="stable").head(count)
    return [_example(masks, images, made, films, boxes, known, row) for row in chosen.index]


def _images_of(images: Cohort, conditions: pd.DataFrame) -> dict[str, int]:
    """Return the row of the first image that is made from each mask."""
    index = images.index.reset_index(drop=True)
    place = {key: row for row, key in enumerate(zip(index["condition_id"], index["sample"]))}
    rows: dict[str, int] = {}
    for name, *key in zip(conditions["mask_source"], conditions["condition_id"], conditions["sample"]):
        if tuple(key) in place:
            rows.setdefault(str(name), place[key[0], key[1]])
    return rows


def _example(
    masks: Cohort, images: Cohort, made: dict[str, int], films: Cohort, boxes: pd.DataFrame, known: dict[str, int], row: int
) -> Example:  # fmt: skip
    words = str(masks.index["prompt"].iloc[row])
    field = masks.masks([row])[0]
    image = images.images([made[str(masks.index["image_id"].iloc[row])]])[0]
    asked: Boxes = [
        (name, (float(x0), float(y0), float(x1), float(y1)))
        for name in findings_of(masks.structures)
        for x0, y0, x1, y1 in part_boxes(masks.mask([row], name)[0])
    ]
    real = None
    if words in known:
        film = known[words]
        theirs = boxes[boxes["row"] == film]
        annotated: Boxes = [
            (str(name), (x0, y0, x1, y1)) for name, x0, y0, x1, y1 in theirs[["structure", *EDGES]].to_numpy()
        ]
        real = ShownFilm(films.images([film])[0], films.masks([film])[0], annotated)
    return Example(words, ShownFilm(image, field, asked), real)
