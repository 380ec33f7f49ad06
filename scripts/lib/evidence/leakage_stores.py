"""Cohorts as the leakage firewall reads them: identifiers and hashes of the index, and the reduced pictures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
