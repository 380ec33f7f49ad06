"""The real films that are edited, and the gallery of all films that an edit's own film is looked for in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.editing.measures import pixel_codes, ranks, unit
from scripts.lib.fidelity.chosen import hashes
from scripts.lib.fidelity.networks import Extractor
from scripts.lib.generators.conditional.classes import film_classes

PIXELS, FEATURES = "pixels", "features"  # by what a film is told from others


@dataclass(frozen=True)
class Subjects:
    """Films that are edited: rows int (n,) of a cohort, and the class of each, int (n,)."""

    cohort: Cohort
    rows: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def films(self) -> np.ndarray:
        """Return the films, uint8 (n, H, W)."""
        return self.cohort.images(self.rows)

    def names(self) -> list[str]:
        """Return their image_ids."""
        return [str(name) for name in self.cohort.index["image_id"].iloc[self.rows]]

    def patients(self) -> np.ndarray:
        """Return whose they are, text (n,)."""
        return patients_of(self.cohort)[self.rows]

    def take(self, places: np.ndarray) -> Subjects:
        """Return those at these places."""
        return Subjects(self.cohort, self.rows[places], self.classes[places])


def subjects(cohort: Cohort, names: Sequence[str], split: str, most: int) -> Subjects:
    """Return the `most` films of a split with the lowest hash, in the cohort's order, of those that have one class.

    names  the classes, `normal` first. Raises InputError where a split has no film of a class, or the cohort not the label.
    """
    if missing := [name for name in names[1:] if name not in cohort.labels]:
        raise InputError(
            f"{cohort.folders[0]}: no label {missing[0]}, which is a class; it has {', '.join(cohort.labels)}"
        )
    rows = cohort.rows(split=split)
    if not len(rows):
        raise InputError(f"{cohort.folders[0]}: no film of split {split}, on which edits are tried; set the dataset's split.{split}")  # fmt: skip
    classes = film_classes(cohort.index.iloc[rows], names)
    rows, classes = rows[classes >= 0], classes[classes >= 0]
    order = np.argsort(hashes(cohort.index["image_id"].iloc[rows].tolist(), "edits"), kind="stable")[:most]
    kept = np.sort(order)
    for number, name in enumerate(names):
        if not (classes[kept] == number).any():
            raise InputError(
                f"{cohort.folders[0]}: no film of class {name} in split {split} to edit; add films, or raise edits.films and edits.sweep.films"
            )
    return Subjects(cohort, rows[kept], classes[kept])


def patients_of(cohort: Cohort) -> np.ndarray:
    """Return the patient of each film, text (N,); a film without one counts as a patient of its own."""
    return cohort.index["patient_id"].fillna(cohort.index["image_id"]).to_numpy(dtype=str)


def region(cohort: Cohort, rows: np.ndarray, label: Sequence[str]) -> tuple[np.ndarray | None, str]:
    """Return where a finding may lie, bool (n, H, W), and what that is: its own mask or box, else the lungs, else None, "".

    label  (n,) names of the finding that is added or removed. A film without its own mask takes the lungs, where there are some.
    """
    if not cohort.has_masks:
        return None, ""
    regions, said = np.zeros((len(rows), cohort.resolution, cohort.resolution), bool), set()
    for place, (row, name) in enumerate(zip(rows, label)):
        for structure in (name, "lungs"):
            if structure in cohort.structures and (mask := cohort.mask([row], structure)[0]).any():
                regions[place] = mask
                said.add(structure)
                break
    return (regions, " or ".join(sorted(said))) if said else (None, "")


class SubjectGallery:
    """Codes of all films of a cohort, by pixels and by a network's features; `rows` of the cohort are its places."""

    def __init__(self, cohort: Cohort, extractor: Extractor) -> None:
        self.patients = patients_of(cohort)
        self.extractor = extractor
        films = cohort.images(np.arange(len(cohort)))
        features = extract_all(extractor, films)
        self._centre, self._spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
        self.codes = {PIXELS: pixel_codes(films), FEATURES: self._features(features)}

    def _features(self, features: np.ndarray) -> np.ndarray:
        return unit((features - self._centre) / self._spread)

    def ranks(self, edited: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the place (n,) of the own film, `rows` of the cohort, among all films, by each kind of code."""
        codes = {PIXELS: pixel_codes(edited), FEATURES: self._features(extract_all(self.extractor, edited))}
        return {kind: ranks(codes[kind], self.codes[kind], rows, self.patients) for kind in codes}


def extract_all(extractor: Extractor, films: np.ndarray) -> np.ndarray:
    """Return the features (n, D) of films uint8 (n, H, W), a batch at a time."""
    size = extractor.batch_size
    parts = [extractor(films[first : first + size]) for first in range(0, len(films), size)]
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
