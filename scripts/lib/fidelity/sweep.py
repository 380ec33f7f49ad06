"""How guidance and solver steps change what a generator of classes makes: a small pool for each pair, held against real films.

Every pool has as many images as there are films on one side, each of the class of one of these films. So all pools and the
films have the same mixture, and every pool the same noise: what differs is the sampling alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.rows import class_condition
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import progress
from scripts.lib.fidelity.chosen import Chosen, choose, halves, rows_of_splits
from scripts.lib.fidelity.features import extract
from scripts.lib.fidelity.networks import Extractor
from scripts.lib.fidelity.table import Sides, compare
from scripts.lib.generators.conditional.classes import film_classes
from scripts.lib.generators.protocol import ImageRequest, Model
from scripts.lib.generators.shards import make_batch
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.settings import Section

COLUMNS = [
    *["dataset", "guidance", "steps", "features", "dimensions", "measure", "n"],
    *["value", "low", "high", "floor", "floor_low", "floor_high", "note"],
]


@dataclass(frozen=True)
class Reference:
    """Two sets of films of different patients, the file with the features of their cohort, and the network of these."""

    films: Chosen
    floor: Chosen
    file: Path
    extractor: Extractor


def open_reference(cohort: Path, splits: Sequence[str], extractor: Extractor, most: int, folder: Path) -> Reference:
    """Return at most `most` films a side of these splits; their features are written into `folder`.

    Raises InputError for a cohort without a film of these splits.
    """
    rows = rows_of_splits(cohort, splits)
    if not len(rows):
        raise InputError(f"{cohort}: no film of split {' or '.join(splits)}; correct fidelity.splits")
    file = folder / "films.npy"
    np.save(file, extract(Cohort.open(cohort, ["image_id"]), extractor))
    labels = Cohort.open(cohort, ["image_id"]).labels
    first, second = halves(choose([cohort], [file], labels, [rows], 2 * most))
    count = min(len(first), len(second))
    return Reference(first.take(np.arange(count)), second.take(np.arange(count)), file, extractor)


def requests_like(films: Chosen, names: Sequence[str]) -> list[ImageRequest]:
    """Return a request for each film: an image of its class. Raises InputError where a film has no class or several."""
    classes = film_classes(films.index, names)
    if (classes < 0).any():
        raise InputError(
            f"film {films.index['image_id'][int((classes < 0).argmax())]}: no class, or several of {names}"
        )
    requests = []
    for sample, number in enumerate(classes):
        labels: dict[str, int | None] = {name: int(place == number) for place, name in enumerate(names) if place}
        requests.append(ImageRequest(class_condition(names[number]), sample, None, None, labels))
    return requests


def sweep(
    model: Model, reference: Reference, names: Sequence[str], settings: Section, grid: Mapping[str, Any], nearest: int,
    seed: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return rows of COLUMNS but `dataset`: each measure at each guidance and number of steps of `grid`."""
    requests = requests_like(reference.films, names)
    points = [(guidance, steps) for guidance in grid["guidance"] for steps in grid["steps"]]
    rows = []
    for guidance, steps in progress(points, total=len(points), desc="sweep"):
        sampler = Sampler(model, Section({**settings, "guidance": guidance, "steps": steps}, settings.name), seed)
        images = make_batch(sampler, requests)
        about = {"guidance": guidance, "steps": steps, "features": reference.extractor.name}
        rows += [{**about, **row} for row in hold_against(images, requests, reference, nearest)]
    return rows


def hold_against(
    images: np.ndarray, requests: Sequence[ImageRequest], reference: Reference, nearest: int
) -> list[dict[str, Any]]:
    """Return a row for each measure of images uint8 (n, R, R) against the films of the reference."""
    size = reference.extractor.batch_size
    features = np.concatenate(
        [reference.extractor(images[start : start + size]) for start in range(0, len(images), size)]
    )
    names = [request.name for request in requests]
    index = pd.DataFrame({"image_id": names, "patient_id": names})
    places = np.arange(len(images))
    made = Chosen(index, np.zeros(len(images), int), places, places).take(places)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npy"
        np.save(file, features)
        return compare(Sides(made, reference.floor, reference.films), ([file], reference.file), nearest)


def sweep_table(rows: Sequence[Mapping[str, Any]], dataset: str) -> pd.DataFrame:
    """Return the table of a sweep (COLUMNS), numbers to six digits: low bits of a linear algebra differ between machines."""
    table = pd.DataFrame(rows).assign(dataset=dataset)[COLUMNS]
    numbers = COLUMNS[7:13]
    rounded = {name: table[name].map(lambda x: float(f"{x:.6g}") if pd.notna(x) else np.nan) for name in numbers}
    return table.assign(**rounded)
