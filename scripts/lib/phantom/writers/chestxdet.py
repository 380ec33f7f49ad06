"""ChestX-Det: PNG films under numbers, one JSON list a split with boxes and polygons, and a table of lungs and hearts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import contourpy
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from scripts.lib.core.seeds import rng
from scripts.lib.phantom.spec import Film, FilmSpec
from scripts.lib.phantom.writers.candid import CHEXMASK_COLUMNS, chexmask_row
from scripts.lib.phantom.writers.tree import Tree, write_table

ANATOMY = "anatomy.csv"
FOLDERS = {"train": "train_data", "test": "test_data"}
SYMS = {
    "atelectasis": "Atelectasis",
    "consolidation": "Consolidation",
    "pleural effusion": "Effusion",
    "pneumothorax": "Pneumothorax",
    "rib fracture": "Fracture",
    "cardiomegaly": "Cardiomegaly",
}
LEAST = 4  # pixels of 64 x 64 from which a part of a finding is outlined


def parts_of(film: Film) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the class and the area of each connected part of a finding that can be seen, bool (size, size)."""
    size = film.image.shape[0]
    named = [(name, area & film.masks["lungs"]) for name, area in film.areas]
    named += [("pneumothorax", film.masks["pneumothorax"]), ("rib fracture", film.masks["rib_fracture"])]
    if any(finding.name == "cardiomegaly" for finding in film.findings):
        named.append(("cardiomegaly", film.masks["heart"]))
    for name, drawn in named:
        area = around(drawn) & film.masks["lungs"] if name == "atelectasis" else drawn
        numbered, count = ndimage.label(area)
        for number in range(1, count + 1):
            part = numbered == number
            if part.sum() * (64 / size) ** 2 >= LEAST or (name == "rib fracture" and part.sum() > 1):
                yield SYMS[name], ndimage.binary_fill_holes(part)


def around(plates: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return one area around plate-like shadows: a reader outlines what has collapsed, not each of its lines."""
    reach = max(1, plates.shape[0] // 14)
    return ndimage.binary_dilation(
        ndimage.binary_closing(np.pad(plates, 2 * reach), iterations=reach)[
            2 * reach : -2 * reach, 2 * reach : -2 * reach
        ],
        iterations=max(1, plates.shape[0] // 64),
    )


def outline(part: NDArray[np.bool_]) -> list[list[int]]:
    """Return the outline of a part, points [x, y] on the middles of its border pixels; a thin part has its box's corners."""
    padded = np.pad(part.astype(float), 1)
    lines: list[NDArray[np.float64]] = [np.asarray(line) for line in contourpy.contour_generator(z=padded).lines(0.999)]
    longest = np.round(max(lines, key=len)) - 1
    points = [[int(x), int(y)] for x, y in longest.tolist()]
    thinned = [point for point, before in zip(points, [points[-1], *points]) if point != before]
    if len(thinned) > 2:
        return thinned
    left, top, right, bottom = box_of(part)
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def box_of(part: NDArray[np.bool_]) -> list[int]:
    """Return [x1, y1, x2, y2], the first and the last column and row of a part, at least one pixel apart."""
    ys, xs = np.nonzero(part)
    left, top, right, bottom = int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())
    return [left, top, max(right, left + 1), max(bottom, top + 1)]


def film_row(name: str, film: Film) -> dict[str, Any]:
    """Return the entry of one film: a class, a box and a polygon for each part of a finding."""
    parts = list(parts_of(film))
    return {
        "file_name": name,
        "syms": [sym for sym, _ in parts],
        "boxes": [box_of(part) for _, part in parts],
        "polygons": [outline(part) for _, part in parts],
    }


def write_tree(tree: Tree) -> None:
    """Draw and write every film, both lists and the table of anatomy; the films' numbers follow no patient."""
    rows: dict[str, list[dict[str, Any]]] = {split: [] for split in FOLDERS}
    anatomy: list[list[object]] = []
    numbers = iter(rng(tree.key, "numbers").permutation(10 * len(tree.films))[: len(tree.films)])
    for spec in tree.track(tree.films):
        split = "test" if spec.split == "test" else "train"
        name, film = f"{int(next(numbers)) + 10000}.png", tree.draw(spec)
        if spec.seed not in tree.missing:
            path = tree.root / FOLDERS[split] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(film.image).save(path)
        if spec.seed not in tree.unlisted:
            rows[split].append(film_row(name, film))
            anatomy.append(_anatomy(tree, spec, film, name))
    for split, listed in rows.items():
        text = json.dumps(sorted(listed, key=lambda row: row["file_name"]), separators=(",", ":"))
        (tree.root / f"ChestX_Det_{split}.json").write_text(text + "\n", encoding="utf-8")
    write_table(tree.root / ANATOMY, CHEXMASK_COLUMNS, sorted(anatomy, key=lambda row: str(row[0])))


def _anatomy(tree: Tree, spec: FilmSpec, film: Film, name: str) -> list[object]:
    return chexmask_row(tree, spec, film, name.removesuffix(".png"))
