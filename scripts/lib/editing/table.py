"""The table of edits: each method on films of split test, beside controls that need no generator, and KID to real films.

other-child  another child's film of the other class: flips, and keeps no identity
as-sharp     the film itself, sharpened or blurred until it is as sharp as its edit: what sharpness alone does to the judge
real         real films of a class against others of it: the floor of KID
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.seeds import rng
from scripts.lib.editing.found import Witness, summary
from scripts.lib.editing.measures import as_sharp
from scripts.lib.editing.stores import OWN_CLASS
from scripts.lib.editing.subjects import Subjects, extract_all, subjects
from scripts.lib.editing.sweep import Point
from scripts.lib.fidelity.chosen import hashes
from scripts.lib.fidelity.distances import GROUPS, LEAST, IntervalValue, Rows, between, within
from scripts.lib.fidelity.whole import Scale

COLUMNS = ["dataset", "method", "strength", "guidance", "to", "measure", "n", "value", "low", "high", "note"]
OTHER_CHILD, AS_SHARP, REAL = "other-child", "as-sharp", "real"
ANY = "any"  # towards whichever class
Made = tuple[Subjects, np.ndarray, np.ndarray, np.ndarray]  # films, edits, their classes, their cycle
Shown = tuple[np.ndarray, np.ndarray, np.ndarray]  # films uint8 (n, H, W), their patients (n,), their classes (n,)


def other_children(films: Subjects, other: np.ndarray, pool: Subjects) -> np.ndarray:
    """Return a film of another patient of class `other` for each film, uint8 (n, H, W): the one with the lowest hash of both names."""
    patients, names = pool.patients(), pool.names()
    rows = []
    for name, patient, target in zip(films.names(), films.patients(), other):
        places = np.flatnonzero((pool.classes == target) & (patients != patient))
        codes = hashes([names[place] for place in places], "another child", name)
        rows.append(pool.rows[places[codes.argmin()]])
    return films.cohort.images(np.array(rows, int))


def control_edits(edits: Made, pool: Subjects) -> dict[str, Made]:
    """Return the controls of edits that need no generator, in the same form."""
    films, edited, other, _ = edits
    none = np.full(len(films), np.nan)
    return {
        OTHER_CHILD: (films, other_children(films, other, pool), other, none),
        AS_SHARP: (films, as_sharp(films.films(), edited), other, none),
    }


def method_rows(witness: Witness, made: Made, draws: int, seed: int) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Return the rows of a method, of all edits and by their class, and the table of its films."""
    films, edited, other, cycle = made
    table = witness.film_table(films, edited, other, cycle)
    rows = []
    for to in [ANY, *dict.fromkeys(table["other"])]:
        chosen = table if to == ANY else table[table["other"] == to]
        rows += [{"to": to, **row, "note": ""} for row in summary(chosen, draws, rng(seed, "edits", to))]
    return rows, table


def measure_methods(
    witness: Witness, made: Mapping[str, tuple[Point, Made]], settings: Mapping[str, Any], seed: int, note: str = ""
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Return rows of COLUMNS but dataset, and a row an edit, of all methods and of the controls of the first one.

    settings  draws, nearest; note: what the rows that the judge decides say of it
    """
    point, main = next(iter(made.values()))
    cohort = main[0].cohort
    real = subjects(cohort, witness.names, "test", len(cohort))
    nowhere = replace(point, way="", strength=np.nan, guidance=np.nan, note="")
    controls = {name: (nowhere, one) for name, one in control_edits(main, real).items()}
    rows, films = [], []
    for method, (at, edits) in {**made, **controls}.items():
        measures, table = method_rows(witness, edits, settings["draws"], seed)
        if method not in (OWN_CLASS, OTHER_CHILD):  # these are real films of the class themselves
            measures += kid_rows(witness, (edits[1], edits[0].patients(), edits[2]), shown(real), settings["nearest"])
        noted = [{**row, "note": "; ".join(filter(None, [row["note"], at.note]))} for row in measures]
        rows += [{"method": method, "strength": at.strength, "guidance": at.guidance, **row} for row in noted]
        films.append(table.assign(method=method))
    others = subjects(cohort, witness.names, "train", len(cohort))
    floor = kid_rows(witness, shown(others), shown(real), settings["nearest"])
    rows += [{"method": REAL, "strength": np.nan, "guidance": np.nan, **row} for row in floor]
    for row in rows:
        said = note if row["measure"] in ("flip_rate", "gain") else ""
        row["note"] = "; ".join(filter(None, [row["note"], said]))
    return rows, pd.concat(films, ignore_index=True)


def kid_rows(witness: Witness, images: Shown, films: Shown, nearest: int) -> list[dict[str, Any]]:
    """Return the KID of images to real films, a row a class; `Shown` are films, their patients and their classes.

    KID has no bias, so numbers need not be the same on both sides. A class with too few says so and has no number.
    """
    rows = []
    for number, name in enumerate(witness.names):
        mine, real = (_of_class(one, number) for one in (images, films))
        row = {
            "to": name,
            "measure": "kid",
            "n": len(mine[0]),
            "value": np.nan,
            "low": np.nan,
            "high": np.nan,
            "note": "",
        }
        least = max(LEAST, nearest + 2)
        if min(len(set(one[1])) for one in (mine, real)) < least:
            row["note"] = f"{len(mine[0])} edits and {len(real[0])} films, fewer than the {least} that a KID needs"
        else:
            features = [extract_all(witness.gallery.extractor, one[0]) for one in (mine, real)]
            estimate = _kid(features[0], features[1], (_groups(mine[1]), _groups(real[1])), nearest)
            row |= {"value": estimate.value, "low": estimate.low, "high": estimate.high}
        rows.append(row)
    return rows


def shown(films: Subjects) -> Shown:
    """Return real films as `kid_rows` takes them."""
    return films.films(), films.patients(), films.classes


def _of_class(some: Shown, number: int) -> tuple[np.ndarray, np.ndarray]:
    here = some[2] == number
    return some[0][here], some[1][here]


def _groups(patients: np.ndarray) -> np.ndarray:
    """Return a group for each film, a patient's films in one, the groups as even as patients allow."""
    return np.asarray(np.unique(patients, return_inverse=True)[1] % GROUPS)


def edit_table(rows: Sequence[Mapping[str, Any]], dataset: str) -> pd.DataFrame:
    """Return the table of edits (COLUMNS), numbers to six digits."""
    table = pd.DataFrame(rows).assign(dataset=dataset)
    for name in ("value", "low", "high"):
        table[name] = table[name].map(lambda value: float(f"{value:.6g}") if pd.notna(value) else np.nan)
    return table[COLUMNS]


def _kid(images: np.ndarray, films: np.ndarray, groups: tuple[np.ndarray, np.ndarray], nearest: int) -> IntervalValue:
    """Return the KID of features (n, D) and (m, D); `groups`: a number below GROUPS for each row."""
    scale = Scale.of(films)
    mine, real = (Rows.of(scale.whole(one)[0], inside) for one, inside in zip((images, films), groups))
    inside, reference = (within(rows, scale, nearest) for rows in (mine, real))
    return between(mine, real, inside, reference, scale, nearest)["kid"]
