"""Which films and edits are shown in which form: half of them real, each child in one form, the order blinded by the seed.

film-edit  an edited film                       film-real  a real film of a class that is asked for as often
pair-edit  a film, its edit, the difference     pair-real  a film, another child's real film of the other class, the difference
The forms of a reading study are drawn in reading.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.feedback.forms.questions import FILM, PAIR
from scripts.lib.fidelity.chosen import hashes
from scripts.lib.generators.conditional.classes import film_classes

EDIT, REAL = "edit", "real"
COLUMNS = ["set_id", "kind", "about", "shown", "own", "other", "film", "source", "first", "second"]


@dataclass(frozen=True)
class FormPicture:
    """One picture: which row of which store, the film behind it, whose it is, and the class that it shows or is to show."""

    store: Cohort
    row: int
    film: str
    patient: str
    label: str


class FilmsByClass:
    """Real films of split test by class, each child once, those given out or named before left out."""

    def __init__(self, cohort: Cohort, names: Sequence[str], seed: int) -> None:
        self.folder, self.names, self._taken = cohort.folders[0], list(names), set[str]()
        index, rows = cohort.index, cohort.rows(split="test")
        classes = film_classes(index.iloc[rows], names)
        order = np.argsort(hashes(index["image_id"].iloc[rows].tolist(), seed, "forms", "films"), kind="stable")
        patients = index["patient_id"].fillna(index["image_id"]).astype(str)
        self._films: dict[str, list[FormPicture]] = {name: [] for name in names}
        for place in order[classes[order] >= 0]:
            row, label = int(rows[place]), names[classes[place]]
            self._films[label].append(
                FormPicture(cohort, row, str(index["image_id"].iloc[row]), patients.iloc[row], label)
            )

    def leave_out(self, patients: Sequence[str]) -> None:
        """Give out no film of these patients."""
        self._taken.update(patients)

    def next(self, label: str) -> FormPicture:
        """Return a film of this class; raises InputError when there is none left."""
        for film in self._films[label]:
            if film.patient not in self._taken:
                self._taken.add(film.patient)
                return film
        raise InputError(
            f"{self.folder}: split test has too few films of class {label} for the forms, each child in one of them; "
            "lower edits.questionnaire.films or edits.questionnaire.pairs"
        )


def draw_forms(
    edits: Cohort, cohort: Cohort, names: Sequence[str], settings: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, list[FormPicture]]:
    """Return the table of forms (COLUMNS) and the pictures that they show, in an order that tells nothing.

    edits  a store of edits, with columns source, own and other; names: the classes, `normal` first
    settings  films and pairs: how many forms of each, even numbers. `first` and `second` are places among the pictures, first
              only of a pair; film and source are the films behind second and first. Raises InputError where films do not suffice.
    """
    half = {about: settings[key] // 2 for about, key in ((FILM, "films"), (PAIR, "pairs"))}
    chosen = _edits(edits, cohort, names, sum(half.values()), seed)
    films = FilmsByClass(cohort, names, seed)
    films.leave_out([original.patient for original, _ in chosen])
    drawn: list[tuple[str, str, FormPicture | None, FormPicture]] = []
    for number, (original, edit) in enumerate(chosen):
        about = FILM if number < half[FILM] else PAIR
        drawn.append((about, EDIT, original if about == PAIR else None, edit))
        # The real counterpart asks for the same class, so that the class does not tell which is which.
        first = films.next(original.label) if about == PAIR else None
        drawn.append((about, REAL, first, films.next(edit.label)))
    return forms_table(drawn, seed)


def _edits(
    edits: Cohort, cohort: Cohort, names: Sequence[str], wanted: int, seed: int
) -> list[tuple[FormPicture, FormPicture]]:
    """Return (film, its edit) of `wanted` children, by turns towards each class, so that every part of it is balanced."""
    index, places = edits.index, {str(name): row for row, name in enumerate(cohort.index["image_id"])}
    order = np.argsort(hashes(index["image_id"].tolist(), seed, "forms", "edits"), kind="stable")
    queues: dict[str, list[tuple[FormPicture, FormPicture]]] = {name: [] for name in names}
    seen = set()
    for row in order:
        source, own, other = (str(index[column].iloc[row]) for column in ("source", "own", "other"))
        patient = str(index["patient_id"].iloc[row])
        if own == other or patient in seen:
            continue
        if source not in places or other not in queues:
            raise InputError(f"{edits.folders[0]}: film {source}, class {other}: not in {cohort.folders[0]}, or no class of it; make these edits anew")  # fmt: skip
        seen.add(patient)
        film = FormPicture(cohort, places[source], source, patient, own)
        queues[other].append((film, FormPicture(edits, int(row), source, patient, other)))
    pictures = list(_turns([own for own in queues.values() if own]))
    if len(pictures) < wanted:
        raise InputError(
            f"{edits.folders[0]}: edits of {len(pictures)} children, and the forms show {wanted}; lower "
            "edits.questionnaire.films or edits.questionnaire.pairs, or raise edits.films"
        )
    return pictures[:wanted]


def _turns(queues: Sequence[list[Any]]) -> Iterator[Any]:
    """Yield from each queue in turn, for as long as there is something in one."""
    for place in range(max(map(len, queues), default=0)):
        yield from (queue[place] for queue in queues if place < len(queue))


def forms_table(
    drawn: Sequence[tuple[str, str, FormPicture | None, FormPicture]], seed: int
) -> tuple[pd.DataFrame, list[FormPicture]]:
    """Return forms and pictures, both in the order of hashes, so that no number or name says what is real."""
    rows: list[dict[str, Any]] = []
    pictures: list[FormPicture] = []
    keyed = [(f"form-{content_hash(seed, 'forms', *_what(one), digits=10)}", one) for one in drawn]
    for set_id, (about, shown, first, second) in sorted(keyed, key=lambda pair: pair[0]):
        row: dict[str, Any] = {"set_id": set_id, "kind": f"{about}-{shown}", "about": about, "shown": shown}
        row |= {"own": first.label if first else None, "other": second.label}
        row |= {"film": second.film, "source": first.film if first else None, "first": None}
        if first:
            row["first"] = len(pictures)
            pictures.append(first)
        rows.append(row | {"second": len(pictures)})
        pictures.append(second)
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({"first": "Int64", "second": "int64", "own": "string", "source": "string"}), pictures


def _what(one: tuple[str, str, FormPicture | None, FormPicture]) -> tuple[str, ...]:
    about, shown, first, second = one
    return about, shown, first.film if first else "", second.film, second.label


def heading(own: str | None, other: str) -> str:
    """Return what a pair is to show: which finding is gone, and which is there; "" of a single film."""
    if own is None or pd.isna(own):
        return ""
    parts = [f"{own.replace('_', ' ')} is to be gone"] if own != "normal" else []
    parts += [f"{other.replace('_', ' ')} is to be there"] if other != "normal" else []
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return second less first as a picture, uint8 (H, W): middle grey, 128, is no change, brighter is brighter in the second."""
    return np.clip(second.astype(np.int16) - first.astype(np.int16) + 128, 0, 255).astype(np.uint8)
