"""The films that taught a generator, those held out, and tables of the nearest film of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.learned import LIST, inherited
from scripts.lib.cohort.store import Cohort, read_index
from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet
from scripts.lib.fidelity.chosen import hashes
from scripts.lib.fidelity.features import check_rows, read_features
from scripts.lib.fidelity.matching import SearchedFilms

# Roles of films behind masks, reports, scores and choices: they taught, but the generator never saw their pixels.
UNSEEN = ("raters", "judge", "thresholds", "proxy", "validation", "kept", "search")
NEAREST = ["image_id", "film_dataset", "film", "similarity", "mirrored", "feature_dataset", "feature_film", "distance"]


@dataclass(frozen=True)
class Taught:
    """Films of some cohorts that taught a generator, or that did not: dataset, image_id and patient_id of each, and where they lie.

    `cohorts` maps datasets to folders; `row` is each film's row in its cohort.
    """

    cohorts: Mapping[str, Path]
    index: pd.DataFrame

    def __len__(self) -> int:
        return len(self.index)

    def rows(self) -> list[np.ndarray]:
        """Return the rows of each cohort."""
        return [self.index["row"][self.index["dataset"] == name].to_numpy() for name in self.cohorts]

    def features(self, files: Mapping[str, Path]) -> np.ndarray:
        """Return features of the films, from a file for each dataset."""
        for name, folder in self.cohorts.items():
            check_rows(files[name], len(read_index(folder, ["image_id"])))
        return read_features([files[name] for name in self.cohorts], self.rows())

    def images(self, places: np.ndarray) -> np.ndarray:
        """Return the pixels of the films at these places, uint8 (n, H, H)."""
        opened = {name: Cohort.open(folder, ["image_id"]) for name, folder in self.cohorts.items()}
        films = self.index.iloc[places]
        return np.stack([opened[name].images([row])[0] for name, row in zip(films["dataset"], films["row"])])


def taught(learned: Path, results: Path, datasets: Sequence[str]) -> tuple[Taught, Taught]:
    """Return the films that taught a generator with their pixels, and all other films of their cohorts.

    learned   the generator's folder, or its learned_from.parquet
    results   the folder that holds DATASET/cohort
    datasets  those whose cohorts are there; `unknown_teachers` says what is missing

    Raises InputError where none of these films taught it.
    """
    films = _seen(learned).dropna(subset=["dataset", "image_id"])
    cohorts = {name: results / name / "cohort" for name in datasets if (films["dataset"] == name).any()}
    if not cohorts:
        raise InputError(
            f"{learned}: no film of {', '.join(datasets) or 'any cohort'} is in its {LIST}, so there is nothing to compare with; make the generator anew"
        )
    found: tuple[list[pd.DataFrame], list[pd.DataFrame]] = ([], [])
    for name, folder in cohorts.items():
        index = read_index(folder, ["image_id", "patient_id"])
        index = index.assign(dataset=name, row=np.arange(len(index)))
        index["patient_id"] = index["patient_id"].fillna(index["image_id"]).astype(str)
        here = index["image_id"].isin(films["image_id"][films["dataset"] == name]).to_numpy()
        # A film of a patient who taught it is no stranger, whatever its split.
        known = index["patient_id"].isin(set(index["patient_id"][here])).to_numpy()
        for part, rows in zip(found, (here, ~here & ~known)):
            part.append(index[rows])
    mine, others = (Taught(cohorts, pd.concat(parts, ignore_index=True)) for parts in found)
    if not len(mine):
        raise InputError(f"{learned}: none of the films in its {LIST} is in {', '.join(map(str, cohorts.values()))}; make the generator anew")  # fmt: skip
    return mine, others


def unknown_teachers(learned: Path, datasets: Sequence[str]) -> str:
    """Return what cannot be compared: teachers that nobody knows, and films of other datasets than these; "" where nothing."""
    films = _seen(learned)
    nameless = sorted(films["role"][films["dataset"].isna()].unique())
    elsewhere = films["dataset"].dropna()
    elsewhere = elsewhere[~elsewhere.isin(datasets)]
    said = [f"the films that taught it in role {', '.join(nameless)} are not known"] if nameless else []
    if len(elsewhere):
        said.append(f"{len(elsewhere)} of its films are of {', '.join(sorted(elsewhere.unique()))}, which are not here")
    return f"{' and '.join(said)}, so copies of them are not found" if said else ""


def _seen(learned: Path) -> pd.DataFrame:
    """Return the list of a generator without the films whose pixels it never saw; one nameless row where it has no list."""
    rows = inherited(learned, "generator")
    return rows[~rows["role"].isin(UNSEEN)].drop_duplicates(["dataset", "image_id", "role"])


def nearest_table(
    films: SearchedFilms,
    about: Taught,
    names: pd.Series,
    thumbnails: np.ndarray,
    features: np.ndarray | None,
    candidates: int,
) -> pd.DataFrame:
    """Return the nearest film (NEAREST) of each image of these names, in their order."""
    near = films.nearest(thumbnails, features, candidates)
    table = pd.DataFrame({"image_id": names.to_numpy()})
    for prefix, places in (
        ("film", near.film),
        ("feature", None if near.by_features is None else near.by_features[0]),
    ):
        for column, source in (("dataset", "dataset"), ("film", "image_id")):
            name = "film" if (prefix, column) == ("film", "film") else f"{prefix}_{column}"
            table[name] = pd.NA if places is None else about.index[source].to_numpy()[places]
    table["similarity"], table["mirrored"] = near.similarity, near.mirrored
    table["distance"] = np.nan if near.by_features is None else near.by_features[1]
    kinds = dict.fromkeys(("image_id", "film_dataset", "film", "feature_dataset", "feature_film"), "string")
    return table[NEAREST].astype(kinds)


def match_shard(
    films: SearchedFilms, learned: Taught, shard: Path, files: tuple[Path, Path], share: float, candidates: int
) -> pd.DataFrame:
    """Return the nearest film (NEAREST) of those images of a shard whose hash falls into `share` of all.

    `files`: thumbnails and features of the shard, in its order. Raises InputError for features of another length than the
    films', or of another number of images.
    """
    names = read_index(shard, ["image_id"])["image_id"]
    for file in files:
        check_rows(file, len(names))
    rows = np.flatnonzero(hashes(names.tolist(), "share") < share * 2.0**64)
    pixels, features = (read_features([file], [rows]) for file in files)
    if films.features is not None and features.shape[1] != films.features.rows.shape[1]:
        raise InputError(
            f"{files[1]}: features of length {features.shape[1]}, but {films.features.rows.shape[1]} of the training films; one "
            f"network for both"
        )
    return nearest_table(films, learned, names.iloc[rows], pixels, features, candidates)


def read_nearest(paths: Sequence[Path]) -> pd.DataFrame:
    """Return the tables of all shards of a pool as one, by image_id: so that shards and their order do not matter.

    Raises InputError for a file that is no such table, an image without likeness, or one that occurs twice.
    """
    parts = [_likenesses(path, "table of nearest films", "match it anew", NEAREST) for path in paths]
    table = pd.concat(parts).sort_values("image_id", kind="stable", ignore_index=True)
    if table["image_id"].duplicated().any():
        raise InputError(f"{paths[0]}: image {table['image_id'][table['image_id'].duplicated().to_numpy().argmax()]} occurs twice; give each shard once")  # fmt: skip
    return table


def read_floor(path: Path) -> pd.DataFrame:
    """Return the likeness of held-out films and planted copies; raises InputError for a file that is no such table."""
    return _likenesses(path, "table of held-out films", "make it anew", ["kind", "patient_id", *NEAREST])


def _likenesses(path: Path, what: str, advice: str, columns: Sequence[str]) -> pd.DataFrame:
    table = read_parquet(path, what, advice, columns)
    if len(lost := table[table["similarity"].isna()]):
        raise InputError(
            f"{path}: not a {what} ({len(lost)} without likeness, first {lost['image_id'].iloc[0]}); {advice}"
        )
    return table


def likeness_of(nearest: pd.DataFrame, names: pd.Series, where: Path) -> np.ndarray:
    """Return the similarity of each of these images; raises InputError for one that was not compared."""
    places = pd.Index(nearest["image_id"]).get_indexer(pd.Index(names))
    if (places < 0).any():
        name = names.iloc[int((places < 0).argmax())]
        raise InputError(f"{where}: image {name} was not compared with training films; match all images (--share 1)")
    return nearest["similarity"].to_numpy()[places]
