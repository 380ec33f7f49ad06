"""Cohorts as the leakage firewall reads them: identifiers and hashes of the index, and the reduced pictures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.lib.cohort.learned import LIST, read_learned
from scripts.lib.cohort.reduced import open_reduced
from scripts.lib.cohort.store import read_index
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.leakage import Store

READ = ("image_id", "patient_id", "sha256", "split")
PICTURES = "reduced.npy"


def open_stores(named: Sequence[str]) -> dict[str, Store]:
    """Return {dataset: Store} of texts NAME=FOLDER; the pictures lie beside the folder. Raises InputError, one line."""
    stores = {}
    for text in named:
        name, sign, folder = text.partition("=")
        if not (name and sign and folder):
            raise InputError(f"--cohorts {text}: expected NAME=FOLDER, as in rsna=results/rsna/cohort")
        films = read_index(Path(folder), READ)
        if missing := [column for column in READ if column not in films]:
            raise InputError(f"{folder}/index.parquet: no column {', '.join(missing)}; prepare this cohort anew")
        twice = films["image_id"][films["image_id"].duplicated()]
        if len(twice):
            raise InputError(f"{folder}/index.parquet: film {twice.iloc[0]} is listed twice; prepare this cohort anew")
        stores[name] = Store(films, open_reduced(Path(folder).parent / PICTURES, len(films)))
    return stores


def check_lists(paths: Iterable[Path]) -> None:
    """Raise InputError for a list of films without a row: every test film would count as new to its model."""
    for path in paths:
        if (rows := read_learned(path)) is not None and rows.empty:
            raise InputError(
                f"{path}: its {LIST} has no row; list the films that taught it, or a role alone where they are not known"
            )
