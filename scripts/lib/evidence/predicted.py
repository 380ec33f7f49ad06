"""The predictions of a dataset as arrays: the test films once, and what the model of each trial says of them.

All trials of a dataset are tested on the same films, so films, patients and truths are held once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.metrics import best_thresholds

SEGMENTATION = "segmentation"
Cell = tuple[str, str, int]  # fraction as paths write it, arm, multiplier


class Member(NamedTuple):
    """One training: its cell, and the number of its trial. `fraction` as paths write it."""

    fraction: str
    arm: str
    multiplier: int
    trial: int


@dataclass
class Predicted:
    """What the trials of one dataset say of its n test films.

    patients    int (n,), the number of each film's patient, 0 ... n_patients - 1
    labels      L names: the labels, or the one structure
    truth       float (n, L): 1, 0 or NaN for unknown; for masks pixels (n, 1)
    scores      of each training: probabilities (n, L), or for masks pixels (n, 2), overlap and predicted
    thresholds  of each training: the threshold of each label for f1_tuned, None where no films could tune one
    """

    dataset: str
    task: str
    films: np.ndarray
    patients: np.ndarray
    labels: tuple[str, ...]
    truth: np.ndarray
    scores: dict[Member, np.ndarray] = field(default_factory=dict)
    thresholds: dict[Member, list[float | None]] = field(default_factory=dict)

    @property
    def masks(self) -> bool:
        """Whether the trials predict masks."""
        return self.task == SEGMENTATION

    @property
    def n_patients(self) -> int:
        """How many patients the test films are of."""
        return int(self.patients.max()) + 1

    def trials_of(self, fraction: str, arm: str, multiplier: int) -> list[int]:
        """Return the numbers of a cell's trials, ascending."""
        return sorted(one.trial for one in self.scores if one[:3] == (fraction, arm, multiplier))


class _Tested(NamedTuple):
    """The test films of one training, in the order of its table."""

    films: np.ndarray
    patients: np.ndarray
    labels: tuple[str, ...]
    truth: np.ndarray
    scores: np.ndarray


def gather_predictions(tables: Iterable[pd.DataFrame]) -> Predicted:
    """Return the predictions of one dataset from tables in the form of `read_predictions`, one or more trainings each.

    Only rows of split `test` are scored; rows of split `tuning` choose the thresholds of f1_tuned. Raises InputError for
    two datasets, other test films or truths in one trial than in another, a film or a training given twice, or scores
    outside of [0, 1].
    """
    found: Predicted | None = None
    for table in tables:
        table = table[table["split"] != "external"]
        keys = ["dataset", "task", *Member._fields]
        for (dataset, task, *cell), rows in table.groupby(keys, observed=True, sort=True):
            member = Member(str(cell[0]), str(cell[1]), int(str(cell[2])), int(str(cell[3])))
            where = f"predictions of {dataset}: {_named(member)}"
            tested = _tested(rows[rows["split"] == "test"], where, task == SEGMENTATION)
            if found is None:
                found = Predicted(str(dataset), str(task), *tested[:4])
                found.patients = pd.factorize(tested.patients, sort=True)[0]
            if (dataset, task) != (found.dataset, found.task):
                raise InputError(f"{where}: beside those of {found.dataset}; expected those of one dataset")
            if member in found.scores:
                raise InputError(f"{where}: given twice; keep one")
            found.scores[member] = _in_order(found, tested, where)
            if not found.masks:
                found.thresholds[member] = _thresholds(rows[rows["split"] == "tuning"], found.labels)
    if found is None:
        raise InputError("predictions: no row of split test; give the tables that train_trials wrote")
    return found


def _named(member: Member) -> str:
    return f"arm {member.arm}, fraction {member.fraction}, multiplier {member.multiplier}, trial {member.trial}"


def _tested(rows: pd.DataFrame, where: str, masks: bool) -> _Tested:
    """Return the films of one training; raises InputError unless each has one row for each label, and a score."""
    if rows.empty:
        raise InputError(f"{where}: no row of split test; run this trial again")
    names = rows["label"].astype(str).to_numpy()
    labels = tuple(dict.fromkeys(names))
    count = len(labels)
    if masks and count > 1:
        raise InputError(f"{where}: structures {', '.join(labels)}; expected one")
    films = rows["image_id"].astype(str).to_numpy()
    whole = len(rows) % count == 0 and (names.reshape(-1, count) == labels).all()
    if not whole or (films.reshape(-1, count) != films[::count, None]).any() or len(set(films)) * count != len(films):
        raise InputError(
            f"{where}: expected one row for each film and each of {', '.join(labels)}; run this trial again"
        )
    patients = rows["patient_id"].astype(str).to_numpy()[::count]
    truth = rows["truth"].to_numpy(dtype=float).reshape(-1, count)
    if masks:
        scores = rows[["overlap", "predicted"]].to_numpy(dtype=float)
    else:
        scores = rows["score"].to_numpy(dtype=float).reshape(-1, count)
        if not ((scores >= 0) & (scores <= 1)).all():
            raise InputError(f"{where}: a score is no number from 0 to 1; run this trial again")
    return _Tested(films[::count], patients, labels, truth, scores)


def _in_order(found: Predicted, tested: _Tested, where: str) -> np.ndarray:
    """Return the scores in the order of the films that are known; raises InputError for other films, labels or truths."""
    first = ", beside ".join(["", _named(next(iter(found.scores)))]) if found.scores else ""
    order = pd.Index(tested.films).get_indexer(pd.Index(found.films))
    patients = pd.factorize(tested.patients, sort=True)[0]
    same = len(tested.films) == len(found.films) and (order >= 0).all() and tested.labels == found.labels
    if not same or (patients[order] != found.patients).any():
        raise InputError(
            f"{where}{first}: another test split ({len(tested.films)} and {len(found.films)} films, or other patients or "
            "labels); run the older trials again"
        )
    if not np.array_equal(tested.truth[order], found.truth, equal_nan=True):
        raise InputError(f"{where}{first}: another truth of the same films; run the older trials again")
    return tested.scores[order]


def _thresholds(rows: pd.DataFrame, labels: tuple[str, ...]) -> list[float | None]:
    """Return the best threshold of each label on the films that were set aside to tune it."""
    truth, scores = (rows[name].to_numpy(dtype=float).reshape(-1, len(labels)) for name in ("truth", "score"))
    return best_thresholds(truth, scores)
