"""The films that teach a class-conditional model, each with its class, and a hash of it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import content_hash
from scripts.lib.generators.conditional.classes import check_classes, class_names, film_classes


@dataclass(frozen=True)
class ClassFilms:
    """What is learned from: images uint8 (N, H, W), the class of each, int (N,), and the names of the classes."""

    images: np.ndarray
    classes: np.ndarray
    names: list[str]


def class_films(cohort: Cohort, target: Sequence[str], split: str) -> tuple[ClassFilms, np.ndarray, str]:
    """Return the films of a split that have one class, their rows in the cohort, and a hash of their pixels and classes.

    Raises InputError where the cohort lacks the labels or the split, or has too few films of a class.
    """
    where = str(cohort.folders[0])
    if missing := [name for name in target if name not in cohort.labels]:
        raise InputError(f"{where}: no label {missing[0]}, which is a class; it has {', '.join(cohort.labels)}")
    rows = cohort.rows(split=split)
    if not len(rows):
        raise InputError(f"{where}: no row of split {split}; set the dataset's split.{split}")
    names = class_names(target)
    classes = film_classes(cohort.index.iloc[rows], names)
    if left := int((classes < 0).sum()):
        log(f"{where}: {left} of {len(rows)} films of split {split} have no label or several, and teach nothing")
    rows, classes = rows[classes >= 0], classes[classes >= 0]
    check_classes(classes, names, f"{where}, split {split}")
    said = (f"{pixels} {number}" for pixels, number in zip(cohort.index["sha256"].iloc[rows], classes))
    return ClassFilms(cohort.images(rows), classes, names), rows, content_hash(*names, *said)
