"""How strong an edit must be: every way at every strength and guidance, on films of split validate, and the point that is taken.

The operating point of a way has the highest flip rate of those at which nearly every edit still looks most like its own film. It is
chosen here and reported on other films.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import rng
from scripts.lib.editing.editor import Editor
from scripts.lib.editing.found import Witness, summary
from scripts.lib.editing.subjects import Subjects
from scripts.lib.engine.commands import progress

COLUMNS = ["dataset", "way", "strength", "guidance", "measure", "n", "value", "low", "high", "chosen", "note"]
IDENTITY = ("identity_pixels", "identity_features")  # both must be kept
KEYS = ["way", "strength", "guidance"]


@dataclass(frozen=True)
class Point:
    """Where a way works: strength and guidance, what was found there, and a note where nothing fits."""

    way: str
    strength: float
    guidance: float
    flip_rate: float
    identity: float
    note: str


def targets(subjects: Subjects, classes: int) -> tuple[Subjects, np.ndarray]:
    """Return each film once for each class that it is not of, and that class, int (n,)."""
    pairs = [
        (place, number)
        for place, number_of in enumerate(subjects.classes)
        for number in range(classes)
        if number != number_of
    ]
    places, other = np.array(pairs, int).reshape(-1, 2).T
    return subjects.take(places), other


def sweep(
    editor: Editor, witness: Witness, films: Subjects, grid: Mapping[str, Any], draws: int, seed: int
) -> list[dict[str, Any]]:
    """Return rows of COLUMNS but dataset and chosen; `grid` holds ways, strengths and guidance."""
    films, other = targets(films, len(witness.names))
    pixels, names = films.films(), films.names()
    points = [
        (way, strength, guidance)
        for way in grid["ways"]
        for strength in grid["strengths"]
        for guidance in grid["guidance"]
    ]
    rows = []
    for way, strength, guidance in progress(points, total=len(points), desc="edits"):
        edited = editor.edit(pixels, names, films.classes, other, way, strength, guidance)
        measures = summary(witness.film_table(films, edited, other), draws, rng(seed, "edits", "sweep"))
        rows += [{"way": way, "strength": strength, "guidance": guidance, **row, "note": ""} for row in measures]
    return rows


def choose(rows: Sequence[Mapping[str, Any]], identity: float) -> dict[str, Point]:
    """Return the operating point of each way: the highest flip rate of those that keep identity; the weakest of equal ones.

    Where none keeps it the point is the one that keeps it best, with a note. Raises InputError where the judge reads no film.
    """
    table = pd.DataFrame(rows)
    wide = table.pivot_table(index=KEYS, columns="measure", values="value").reset_index()
    if "flip_rate" not in wide:
        raise InputError(
            "edits: the judge sees the own class in no film of split validate; name other films in edits.judge"
        )
    wide["identity"] = wide[list(IDENTITY)].min(axis=1)
    points = {}
    for way in dict.fromkeys(table["way"]):  # in the order of edits.ways: controls stand beside the first one
        of_way = wide[wide["way"] == way]
        kept = of_way[of_way["identity"] >= identity]
        order = {"flip_rate": False, "strength": True, "guidance": True}
        note = ""
        if kept.empty:
            kept, order = of_way, {"identity": False, **order}
            note = f"no point keeps the identity of {identity:.0%} of the films; this one keeps most"
            log(f"{way}: {note}")
        best = kept.sort_values(list(order), ascending=list(order.values()), kind="stable").iloc[0]
        strength, guidance, flips, kept_share = (float(best[name]) for name in (*KEYS[1:], "flip_rate", "identity"))
        points[way] = Point(way, strength, guidance, flips, kept_share, note)
    return points


def sweep_table(rows: Sequence[Mapping[str, Any]], points: Mapping[str, Point], dataset: str) -> pd.DataFrame:
    """Return the table of a sweep (COLUMNS); `chosen` is true in the rows of operating points."""
    table = pd.DataFrame(rows).assign(dataset=dataset)
    for name in ("value", "low", "high"):
        table[name] = table[name].map(lambda value: float(f"{value:.6g}"))
    places = zip(table["way"], table["strength"], table["guidance"])
    chosen = {(point.way, point.strength, point.guidance) for point in points.values()}
    table["chosen"] = [place in chosen for place in places]
    noted = {point.way: point.note for point in points.values()}
    table["note"] = [noted[way] if kept else "" for way, kept in zip(table["way"], table["chosen"])]
    return table[COLUMNS]
