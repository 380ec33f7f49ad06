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
from scripts.lib.downstream.box_metrics import Matched
from scripts.lib.downstream.metrics import best_thresholds
from scripts.lib.downstream.scoring import matched_rows
from scripts.lib.study.tasks import BOXES, LABELS, MASKS, TASKS

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
    labels      L names: the labels, or the structures
    truth       float (n, L): 1, 0, for masks pixels, for boxes their number; NaN for unknown
    scores      of each training: probabilities (n, L), or for masks pixels (n, L, 2), overlap and predicted
    boxes       of each training: the boxes found of each structure, matched with the true ones; empty for labels and masks
    edges       the true boxes behind `truth`, one text a film and structure, to see that all trainings were tested on the same
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
    boxes: dict[Member, list[Matched]] = field(default_factory=dict)
    edges: np.ndarray | None = None

    @property
    def says(self) -> str:
        """What the trials say of a film: labels, masks or boxes."""
        return TASKS[self.task].says

    @property
    def members(self) -> list[Member]:
        """The trainings, in order."""
        return sorted(self.boxes if self.says == BOXES else self.scores)

    @property
    def n_patients(self) -> int:
        """How many patients the test films are of."""
        return int(self.patients.max()) + 1

    def trials_of(self, fraction: str, arm: str, multiplier: int) -> list[int]:
        """Return the numbers of a cell's trials, ascending."""
        return sorted(one.trial for one in self.members if one[:3] == (fraction, arm, multiplier))


class _Tested(NamedTuple):
    """The test films of one training, in the order of its table; `rows` is that table."""

    films: np.ndarray
    patients: np.ndarray
    labels: tuple[str, ...]
    truth: np.ndarray
    scores: np.ndarray
    edges: np.ndarray | None
    rows: pd.DataFrame


def gather_predictions(tables: Iterable[pd.DataFrame]) -> Predicted:
    """Return the predictions of one dataset from tables in the form of `read_predictions`, one or more trainings each.

    Only rows of split `test` are scored; rows of split `tuning` choose the thresholds of f1_tuned; those of other splits are
    evidence/transfer.py's. Raises InputError for
    two datasets, other test films or truths in one trial than in another, a film or a training given twice, or scores
    outside of [0, 1].
    """
    predicted: Predicted | None = None
    for table in tables:
        table = table[table["split"].isin(("test", "tuning"))]
        keys = ["dataset", "task", *Member._fields]
        for (dataset, task, *cell), rows in table.groupby(keys, observed=True, sort=True):
            member = Member(str(cell[0]), str(cell[1]), int(str(cell[2])), int(str(cell[3])))
            where = f"predictions of {dataset}: {_named(member)}"
            says = TASKS[str(task)].says
            tested = _tested(rows[rows["split"] == "test"], where, says)
            if predicted is None:
                predicted = Predicted(str(dataset), str(task), *tested[:4], edges=tested.edges)
                predicted.patients = pd.factorize(tested.patients, sort=True)[0]
            if (dataset, task) != (predicted.dataset, predicted.task):
                raise InputError(f"{where}: beside those of {predicted.dataset}; expected those of one dataset")
            if member in predicted.members:
                raise InputError(f"{where}: given twice; keep one")
            order = _order(predicted, tested, where)
            if says == BOXES:
                predicted.boxes[member] = _matched(tested, order)
            else:
                predicted.scores[member] = tested.scores[order]
            if says == LABELS:
                predicted.thresholds[member] = _thresholds(rows[rows["split"] == "tuning"], predicted.labels)
    if predicted is None:
        raise InputError("predictions: no row of split test; give the tables that train_trials wrote")
    return predicted


def _named(member: Member) -> str:
    return f"arm {member.arm}, fraction {member.fraction}, multiplier {member.multiplier}, trial {member.trial}"


def _tested(rows: pd.DataFrame, where: str, says: str) -> _Tested:
    """Return the films of one training; raises InputError unless each has one row for each label, and a score."""
    if rows.empty:
        raise InputError(f"{where}: no row of split test; run this trial again")
    names = rows["label"].astype(str).to_numpy()
    labels = tuple(dict.fromkeys(names))
    count = len(labels)
    films = rows["image_id"].astype(str).to_numpy()
    whole = len(rows) % count == 0 and (names.reshape(-1, count) == labels).all()
    if not whole or (films.reshape(-1, count) != films[::count, None]).any() or len(set(films)) * count != len(films):
        raise InputError(
            f"{where}: expected one row for each film and each of {', '.join(labels)}; run this trial again"
        )
    patients = rows["patient_id"].astype(str).to_numpy()[::count]
    if says == BOXES:
        numbers = [np.nan if one is None else len(one) / 4 for one in rows["truth"]]
        edges = np.array(["" if one is None else str(list(one)) for one in rows["truth"]]).reshape(-1, count)
        truth = np.array(numbers).reshape(-1, count)
        return _Tested(films[::count], patients, labels, truth, np.zeros((len(truth), 0)), edges, rows)
    truth = rows["truth"].to_numpy(dtype=float).reshape(-1, count)
    columns = ["overlap", "predicted"] if says == MASKS else ["score"]
    scores = rows[columns].to_numpy(dtype=float).reshape((-1, count, 2) if says == MASKS else (-1, count))
    if says == LABELS and not ((scores >= 0) & (scores <= 1)).all():
        raise InputError(f"{where}: a score is no number from 0 to 1; run this trial again")
    return _Tested(films[::count], patients, labels, truth, scores, None, rows)


def _matched(tested: _Tested, order: np.ndarray) -> list[Matched]:
    """Return the boxes of each structure, films in this order."""
    count = len(tested.labels)
    places = (order[:, None] * count + np.arange(count)).ravel()
    return matched_rows(tested.rows.iloc[places], count)


def _order(found: Predicted, tested: _Tested, where: str) -> np.ndarray:
    """Return the order of the films that are known; raises InputError for other films, labels or truths."""
    first = ", beside ".join(["", _named(found.members[0])]) if found.members else ""
    order = pd.Index(tested.films).get_indexer(pd.Index(found.films))
    patients = pd.factorize(tested.patients, sort=True)[0]
    same = len(tested.films) == len(found.films) and (order >= 0).all() and tested.labels == found.labels
    if not same or (patients[order] != found.patients).any():
        raise InputError(
            f"{where}{first}: another test split ({len(tested.films)} and {len(found.films)} films, or other patients or "
            "labels); run the older trials again"
        )
    same = np.array_equal(tested.truth[order], found.truth, equal_nan=True)
    if tested.edges is not None and found.edges is not None:
        same = same and np.array_equal(tested.edges[order], found.edges)
    if not same:
        raise InputError(f"{where}{first}: another truth of the same films; run the older trials again")
    return order


def _thresholds(rows: pd.DataFrame, labels: tuple[str, ...]) -> list[float | None]:
    """Return the best threshold of each label on the films that were set aside to tune it."""
    truth, scores = (rows[name].to_numpy(dtype=float).reshape(-1, len(labels)) for name in ("truth", "score"))
    return best_thresholds(truth, scores)
