"""Which films taught a model: the list `learned_from.parquet` in its folder, written and read here alone.

One row a film and role:

    dataset, image_id, patient_id  as in the index of the film's cohort
    sha256                         of the stored pixels, as in that index
    role                           base, controlnet, masks, class-ldm, search, kept, proxy, validation, raters, judge, thresholds, mgca,
                                   or what a new stage calls it

A row without a dataset and a film says that a teacher of that role is not known: weights from elsewhere that bring no list.
A model that was tuned begins with the list of the model that it started from.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet

COLUMNS = ("dataset", "image_id", "patient_id", "sha256", "role")
LIST = "learned_from.parquet"


def films_learned(cohort: Cohort, rows: np.ndarray, role: str) -> pd.DataFrame:
    """Return the list (COLUMNS) of these rows of a cohort, which taught in a role."""
    films = cohort.index.iloc[rows][["image_id", "patient_id", "sha256"]]
    return _typed(films.assign(dataset=str(cohort.meta.get("dataset", "")), role=role))


def not_known(role: str) -> pd.DataFrame:
    """Return the list of one teacher whose films are not known."""
    return _typed(pd.DataFrame({"role": [role]}))


def inherited(path: Path, role: str) -> pd.DataFrame:
    """Return the list of a model that another one starts from; one row `role` of which nothing is known without a list."""
    rows = read_learned(path)
    return not_known(role) if rows is None else rows


def all_learned(paths: Iterable[Path], pools: Iterable[Path] = ()) -> pd.DataFrame:
    """Return the lists of several models as one; of a model without a list, its folder's name stands for the role.

    `pools`: folders of images made elsewhere, in which what taught their generator may be listed.
    """
    models = [inherited(path, Path(path).name) for path in paths]
    return pd.concat([_typed(pd.DataFrame()), *models, *(inherited(path, "pool") for path in pools)], ignore_index=True)


def write_learned(path: Path, parts: Iterable[pd.DataFrame]) -> None:
    """Write the list into a model's folder, or to a path that ends in .parquet; the same bytes for any order of rows.

    A film that is named twice in one role counts once.
    """
    table = pd.concat(list(parts), ignore_index=True)[list(COLUMNS)].drop_duplicates()
    table = _typed(table.sort_values(list(COLUMNS), kind="stable", na_position="first", ignore_index=True))
    with atomic_file(_file(path)) as out:
        table.to_parquet(out, index=False)


def read_learned(path: Path) -> pd.DataFrame | None:
    """Return the list of a model (its folder, a file in it, or the list itself), None where it has none.

    Raises InputError for a file that is no such list, or a row that names half of a film.
    """
    file = _file(path)
    if not file.is_file():
        return None
    table = read_parquet(file, "parquet file", "make it anew")
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{file}: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}, a row a film")
    table = _typed(table[list(COLUMNS)])
    halves = np.flatnonzero(table["dataset"].isna() != table["image_id"].isna())
    if len(halves) or table["role"].isna().any():
        row = int(halves[0]) if len(halves) else int(np.flatnonzero(table["role"].isna())[0])
        raise InputError(
            f"{file} row {row + 1}: expected dataset, image_id and role, or a role alone where its films are not known; got "
            f"{table.iloc[row].to_dict()}"
        )
    return table


def _file(path: Path) -> Path:
    path = Path(path)
    if path.suffix == ".parquet":
        return path
    return (path.parent if path.is_file() else path) / LIST


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    return table.reindex(columns=list(COLUMNS)).astype("string")
