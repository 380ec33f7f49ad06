"""Edits on the disk: shards in the form of a cohort, one folder a method, and the operating points that they are made at.

Methods are the ways of edits.ways, and two controls that need the generator:
own-class     the first way, towards the film's own class: it must give the film back
sdedit-equal  SDEdit at strength and guidance of the first way
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.editing.editor import Editor
from scripts.lib.editing.measures import change
from scripts.lib.editing.subjects import Subjects
from scripts.lib.editing.sweep import Point, targets
from scripts.lib.study.editing import OWN_CLASS, SDEDIT_EQUAL


def points_as_json(points: Mapping[str, Point]) -> dict[str, Any]:
    """Return operating points as what `read_points` reads."""
    return {"points": [asdict(point) for point in points.values()]}


def read_points(path: Path) -> dict[str, Point]:
    """Return the operating points of a file, in the order of edits.ways; raises InputError, one line, for another file."""
    try:
        points = [Point(**one) for one in read_json(path, "operating points of edits")["points"]]
    except (KeyError, TypeError):
        raise InputError(f"{path}: no operating points; run sweep_edits again") from None
    return {point.way: point for point in points}


def point_of(points: Mapping[str, Point], method: str) -> Point:
    """Return the way, strength and guidance of a method; raises InputError for one that was not swept."""
    first = next(iter(points.values()))
    if method == OWN_CLASS:
        return first
    if method == SDEDIT_EQUAL:
        return replace(first, way="sdedit")
    if method not in points:
        raise InputError(f"edits: no operating point of {method}; there are {', '.join(points)}")
    return points[method]


def make_edits(
    editor: Editor, films: Subjects, point: Point, method: str, with_cycle: bool
) -> tuple[Subjects, np.ndarray, np.ndarray, np.ndarray]:
    """Return films, edits uint8 (n, H, W), the class of each edit (n,), and its cycle (n,), NaN where none is made.

    The cycle edits an edit back to the own class: grey levels by which the film then differs.
    """
    if method == OWN_CLASS:
        other = films.classes
    else:
        films, other = targets(films, len(editor.model.classes))
    pixels, names = films.films(), films.names()
    edited = editor.edit(pixels, names, films.classes, other, point.way, point.strength, point.guidance)
    if not with_cycle:
        return films, edited, other, np.full(len(films), np.nan)
    back = editor.edit(edited, names, other, films.classes, point.way, point.strength, point.guidance)
    return films, edited, other, change(pixels, back)


def write_edits(
    folder: Path, made: tuple[Subjects, np.ndarray, np.ndarray, np.ndarray], names: Sequence[str],
    about: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write edits in the form of a cohort: beside its usual columns source (image_id), own, other (names) and cycle."""
    films, edited, other, cycle = made
    labels = list(names[1:])
    with CohortWriter(folder, films.cohort.resolution, [], labels, about, False) as writer:
        for place, image in enumerate(edited):
            source, target = films.names()[place], names[other[place]]
            row: dict[str, Any] = {
                "image_id": f"{source}-to-{target}",
                "patient_id": films.patients()[place],
                "split": films.cohort.index["split"].iloc[films.rows[place]],
                "sha256": pixels_sha256(image),
                "synthetic": True,
                "source": source,
                "own": names[films.classes[place]],
                "other": target,
                "cycle": float(cycle[place]),
            }
            writer.add(image, None, row | {label: int(label == target) for label in labels})


def read_edits(
    folders: Sequence[Path], cohort: Cohort, names: Sequence[str]
) -> tuple[Subjects, np.ndarray, np.ndarray, np.ndarray]:
    """Return what `make_edits` returned, from its shards in order; raises InputError where a film is not in the cohort."""
    store = Cohort.open(folders)
    places = {str(name): row for row, name in enumerate(cohort.index["image_id"])}
    sources = [str(name) for name in store.index["source"]]
    if missing := [name for name in sources if name not in places]:
        raise InputError(f"{folders[0]}: film {missing[0]} is not in {cohort.folders[0]}; make these edits anew")
    classes, other = (
        np.array([list(names).index(name) for name in store.index[column]], int) for column in ("own", "other")
    )
    films = Subjects(cohort, np.array([places[name] for name in sources], int), classes)
    return films, store.images(slice(None)), other, store.index["cycle"].to_numpy(dtype=float)
