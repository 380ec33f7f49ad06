"""The forms of a reading study: half synthetic images, half real films with the same labels, each with its own mask.

A reader says how authentic a film looks, and then, with the outline of the mask on it, how useful that would be for training.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.feedback.forms.drawing import REAL, FormPicture, forms_table
from scripts.lib.feedback.forms.questions import AUTHENTIC, READING, USEFUL
from scripts.lib.feedback.forms.simulation import looks_real
from scripts.lib.feedback.truth import ArtefactJudge, MaskJudge
from scripts.lib.fidelity.chosen import hashes

SYNTHETIC, NORMAL = "synthetic", "normal"
TOLD = "told.json"


def draw_reading(
    pool: Cohort, cohort: Cohort, settings: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, list[FormPicture], list[str]]:
    """Return the table of forms, the pictures that they show, and notes on what was left out.

    pool      synthetic images with masks; cohort: the films of their dataset, of which those of split test are shown
    settings  films: how many forms, an even number

    An image is drawn by its hash; its film has the same labels, and a mask for which all structures were looked for; each
    patient once. Raises InputError where there are too few.
    """
    if not pool.has_masks or not cohort.has_masks or list(pool.structures) != list(cohort.structures):
        raise InputError(f"{pool.folders[0]}: masks of {pool.structures}, and films of {cohort.structures}; a reading shows both with masks of the same structures")  # fmt: skip
    labels = [name for name in pool.labels if name in cohort.labels]
    films: dict[tuple[str, ...], list[FormPicture]] = {}
    for key, film in _pictures(cohort, _real_rows(cohort), labels, seed):
        films.setdefault(key, []).append(film)
    wanted, taken, lost = settings["films"] // 2, set[str](), 0
    drawn: list[tuple[str, str, FormPicture | None, FormPicture]] = []
    for key, image in _pictures(pool, np.flatnonzero(_shown(pool)), labels, seed):
        free = [one for one in films.get(key, []) if one.patient not in taken]
        if not free:
            lost += 1
            continue
        taken.add(free[0].patient)
        drawn += [(READING, SYNTHETIC, None, image), (READING, REAL, None, free[0])]
        if len(drawn) == 2 * wanted:
            table, pictures = forms_table(drawn, seed)
            left = f"{lost} images were left out: no test film has their labels and is free"
            return table, pictures, [left] if lost else []
    raise InputError(
        f"{cohort.folders[0]}: {len(drawn) // 2} of {len(pool)} images have a film of split test with the same labels, and "
        f"{wanted} are wanted; lower reading.films"
    )


def _pictures(
    store: Cohort, rows: np.ndarray, labels: Sequence[str], seed: int
) -> Iterator[tuple[tuple[str, ...], FormPicture]]:
    """Yield (what must be alike, picture) of these rows in an order that the seed gives."""
    index = store.index.iloc[rows]
    shown = index[labels].fillna(0).to_numpy(float) == 1
    names = index["image_id"].astype(str).tolist()
    patients = index["patient_id"].fillna(index["image_id"]).astype(str).tolist()
    for place in np.argsort(hashes(names, seed, "reading"), kind="stable"):
        asked = tuple(name for name, here in zip(labels, shown[place]) if here)
        label = "+".join(asked) or NORMAL
        yield asked, FormPicture(store, int(rows[place]), names[place], patients[place], label)


def _shown(store: Cohort) -> np.ndarray:
    """Return which images have a mask at all, bool (n,)."""
    return np.array([bool(store.masks([row])[0].any()) for row in range(len(store))], bool)


def _real_rows(cohort: Cohort) -> np.ndarray:
    rows = cohort.rows(split="test")
    every = (1 << len(cohort.structures)) - 1
    looked = cohort.index["annotated"].to_numpy()[rows].astype(np.int64) == every
    return rows[looked & np.array([bool(cohort.masks([row])[0].any()) for row in rows], bool)]


def write_told(path: Path, told: str) -> None:
    """Write what readers are told of the films before they begin."""
    path.write_text(json.dumps({"told": told}, indent=1) + "\n", encoding="utf-8")


def read_told(folder: Path) -> str:
    """Return what raters of these forms are told; "" where nothing was written."""
    path = folder / TOLD
    return str(read_json(path, "what readers are told")["told"]) if path.exists() else ""


def reading_evidence(forms: pd.DataFrame, pictures: Cohort, films: Cohort) -> dict[str, dict[str, Any]]:
    """Return {set_id: {topic: value in 0..1, a yes above .5}} of forms, by rules that see pixels and masks alone.

    films  real films with masks that the rules are learned from, none of them shown

    Authentic is what lies among real films by grey values, sharpness and coarse form; useful is a mask whose edges show in the
    film as those of real masks do.
    """
    known = films.images(slice(None))
    artefact, follows = ArtefactJudge(known), MaskJudge(known, films.masks(slice(None)), films.structures)
    shown = pictures.images(slice(None))
    looks, fits = looks_real(artefact, shown), follows(shown, pictures.masks(slice(None)))
    places = dict(zip(forms["set_id"], forms["second"]))
    return {
        name: {AUTHENTIC: float(looks[row]), USEFUL: float(fits[row]) if np.isfinite(fits[row]) else 0.5}
        for name, row in places.items()
    }
