"""Which images and films are compared: those with the lowest hash of their name, so that neither shards nor order matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, read_index
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.fidelity.distances import GROUPS
from scripts.lib.fidelity.features import check_rows, read_features


def hashes(names: Sequence[str], *about: object) -> np.ndarray:
    """Return a number for each name, uint64 (n,), that looks random and depends on the name and `about` alone."""
    return np.fromiter((int(content_hash(*about, name), 16) for name in names), np.uint64, len(names))


@dataclass(frozen=True)
class Chosen:
    """Images of some stores in the order of their hashes: their `index` rows, where they lie, and their groups.

    `store`, `row` int (n,): which folder, and which row of it. `groups` int (n,) below GROUPS: all of a patient in one.
    """

    index: pd.DataFrame
    store: np.ndarray
    row: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def take(self, places: np.ndarray) -> Chosen:
        """Return those at these places, in this order; patients are dealt out to groups anew, evenly."""
        index = self.index.iloc[places].reset_index(drop=True)
        return Chosen(index, self.store[places], self.row[places], _dealt(index["patient_id"]))

    def features(self, paths: Sequence[Path]) -> np.ndarray:
        """Return their features (n, D) from a file for each store; raises InputError for NaN or other lengths."""
        stores = [np.flatnonzero(self.store == number) for number in range(len(paths))]
        rows = [np.sort(self.row[places]) for places in stores]
        features = read_features(paths, rows)
        order = np.concatenate([places[np.argsort(self.row[places], kind="stable")] for places in stores])
        out = np.empty_like(features)
        out[order] = features
        return out


def choose(
    folders: Sequence[Path],
    features: Sequence[Path],
    columns: Sequence[str],
    keep: Sequence[np.ndarray] | None = None,
    most: int | None = None,
) -> Chosen:
    """Return the `most` images of these folders with the lowest hash, of those rows of each that are in `keep`.

    `features`: a file of features for each folder, whose number of rows is checked. Only image_id, patient_id and `columns` of
    an index are held. Images of a pool have no patient: each counts as one.
    """
    parts = []
    for number, (folder, path) in enumerate(zip(folders, features, strict=True)):
        index = read_index(folder, ["image_id", "patient_id", *columns])
        check_rows(path, len(index))
        rows = np.arange(len(index)) if keep is None else keep[number]
        part = index.iloc[rows].assign(
            _store=number, _row=rows, _hash=hashes(index["image_id"].iloc[rows].tolist(), "images")
        )
        parts.append(part if most is None else part.nsmallest(most, "_hash"))
    table = pd.concat(parts).sort_values(["_hash", "image_id"], kind="stable", ignore_index=True)
    table = table if most is None else table.head(most)
    if table["image_id"].duplicated().any():
        name = table["image_id"][table["image_id"].duplicated().to_numpy().argmax()]
        raise InputError(f"{folders[0]}: image {name} occurs twice; give each store once")
    table["patient_id"] = table["patient_id"].fillna(table["image_id"]).astype(str)
    index = table.drop(columns=["_store", "_row", "_hash"])
    return Chosen(index, table["_store"].to_numpy(), table["_row"].to_numpy(), _dealt(index["patient_id"]))


def rows_of_splits(folder: Path, splits: Sequence[str]) -> np.ndarray:
    """Return the rows of a cohort that lie in these splits."""
    index = read_index(folder, ["split"])
    return np.flatnonzero(index["split"].isin(splits).to_numpy())


def rows_named(folders: Sequence[Path], names: pd.Series) -> list[np.ndarray]:
    """Return the rows of each folder whose image_id is among `names`."""
    wanted = pd.Index(names)
    return [np.flatnonzero(read_index(folder, ["image_id"])["image_id"].isin(wanted).to_numpy()) for folder in folders]


def halves(films: Chosen) -> tuple[Chosen, Chosen]:
    """Return two sets of films of different patients, as equal in number as the patients allow."""
    order, count = _patient_numbers(films.index["patient_id"])
    sizes = np.bincount(order, minlength=count)
    first = np.cumsum(sizes) - sizes / 2 < len(films) / 2
    mine = first[order]
    return films.take(np.flatnonzero(mine)), films.take(np.flatnonzero(~mine))


def _patient_numbers(patients: pd.Series) -> tuple[np.ndarray, int]:
    """Return each film's patient as a place in the order of their hashes, and how many patients there are."""
    names, of_film = np.unique(patients.to_numpy(dtype=str), return_inverse=True)
    number = np.empty(len(names), np.int64)
    number[np.lexsort((names, hashes(list(names), "patients")))] = np.arange(len(names))
    return number[of_film], len(names)


def _dealt(patients: pd.Series) -> np.ndarray:
    """Return the group of each film: patients are dealt out in the order of their hashes."""
    return _patient_numbers(patients)[0] % GROUPS


def shared_labels(pool: Path, cohort: Path) -> list[str]:
    """Return the labels that a pool and its cohort both have."""
    theirs = Cohort.open(cohort, ["image_id"]).labels
    return [label for label in Cohort.open(pool, ["image_id"]).labels if label in theirs]
