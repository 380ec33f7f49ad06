"""Images that somebody made elsewhere, read like a cohort: a folder with a table or with a folder for each class, CheXGenBench's
table, or a cohort store."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.cohort.geometry import COVER, fit_image, fit_masks
from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.store import Cohort, pixels_sha256, with_films
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.formats.columns import find_column
from scripts.lib.formats.foldering import rows_of_folder, write_rows
from scripts.lib.formats.sources import reader_settings, table_path
from scripts.lib.formats.tables import Table
from scripts.lib.pools.prompt_info import NAME, rewrite
from scripts.lib.study.sources import class_folders
from scripts.lib.study.stores import PREPARED
from scripts.lib.study.tasks import of_structures, targets_of

BATCH = 256


def read_pool(
    path: Path, settings: Mapping[str, Any], name: str, resolution: int, folder: Path, threads: int
) -> Cohort:
    """Prepare the images at `path` as a cohort below the empty folder `folder` and open it; its quarantine.tsv lies there.

    settings: labels and target of the dataset, its task, how its films were prepared (PREPARED), and `reader`, the keys of the
    reader `folder`. Images of another side become squares of `resolution`, as the cohort's films did. Raises InputError, one
    line, for images that cannot be used; the cohort's own limits on unusable films hold.
    """
    if (path / "cohort.json").is_file():
        return _resized_store(path, settings, resolution, folder / "pool")
    table = path if path.is_file() else path / NAME
    if table.is_file() and table.name == NAME:
        given = dict(settings.get("reader") or {})
        labels = rewrite(table, settings["labels"], folder / "table.csv")
        reader = {**given, "table": str((folder / "table.csv").resolve()), "columns": {}}
        root = table.parent
    else:
        root = path
        if not root.is_dir():
            raise InputError(f"{path}: no such folder; expected images with a table, a cohort, or a file {NAME}")
        reader, labels = _class_folders(root, settings, folder) or _folder_reader(root, settings)
    _need_labels(settings, labels, root)
    config = {key: settings[key] for key in PREPARED if settings.get(key) is not None}
    structures = targets_of(settings) if of_structures(settings) else []
    structures = list(reader.get("mask_values") or structures)
    config |= {"format": "folder", "reader": reader, "labels": labels, "structures": structures, "split": {}}
    prepare_cohort(name, config, root, resolution, 0, folder / "pool", threads)
    return Cohort.open(folder / "pool")


def _class_folders(root: Path, settings: Mapping[str, Any], scratch: Path) -> tuple[dict[str, Any], list[str]] | None:
    """Return the same of a folder without any table, whose images lie in a folder for each class; None of any other folder.

    The table is written to the folder `scratch`. An image shows the label that its class is called, and no other.
    """
    if settings.get("reader") or not class_folders(root):
        return None
    rows = [{**row, "split": ""} for row in rows_of_folder(root)]
    columns = write_rows(scratch / "table.csv", rows)
    named = {"image_id": "file", "patient_id": "file"} | ({"mask_file": "mask"} if "mask" in columns else {})
    reader = {"table": str((scratch / "table.csv").resolve()), "findings": "class", "columns": named}
    return reader, list(settings["labels"])


def _folder_reader(root: Path, settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the reader's keys, an image counting as a patient where the table names none, and which labels it has."""
    given = dict(settings.get("reader") or {})
    known = reader_settings("folder", given)
    table = Table(table_path(root, known["table"]), (), known["encoding"])
    columns = dict(given.get("columns") or {})
    if "patient_id" not in columns and "patient_id" not in table.columns:
        columns["patient_id"] = columns.get("image_id", "image_id")
    named = [label for label in settings["labels"] if find_column(table, columns.get(label, label)) is not None]
    labels = list(settings["labels"]) if known["findings"] else named
    return {**given, "columns": columns}, labels


def _need_labels(settings: Mapping[str, Any], there: Sequence[str], where: Path) -> None:
    if of_structures(settings):
        return
    missing = [label for label in targets_of(settings) if label not in there]
    if missing:
        raise InputError(
            f"{where}: no labels {', '.join(missing)}, which the trials of this dataset learn; add a column for each (1, 0, or "
            f"nothing where it is not known), or one of {NAME}'s dictionaries"
        )


def _resized_store(path: Path, settings: Mapping[str, Any], resolution: int, out: Path) -> Cohort:
    """Return a cohort store as it is, or written anew with squares of another side."""
    store = with_films(Cohort.open(path))
    _need_labels(settings, store.labels, path)
    if of_structures(settings):
        names = targets_of(settings)
        for name in names:
            store.bit(name)
        if not store.has_masks:
            raise InputError(f"{path}: no masks, but the trials of this dataset learn to find {', '.join(names)}")
    if store.resolution == resolution:
        return store
    cover, fit = {**COVER, **(settings.get("cover") or {})}, settings.get("fit") or "pad"
    columns = list(store.index.columns)
    with CohortWriter(out, resolution, store.structures, store.labels, dict(store.meta), store.has_masks) as writer:
        for start in range(0, len(store), BATCH):
            rows = np.arange(start, min(start + BATCH, len(store)))
            fields = store.masks(rows) if store.has_masks else [None] * len(rows)
            for row, film, field in zip(rows, store.images(rows), fields):
                said = dict(zip(columns, store.index.iloc[row]))
                image = fit_image(film, resolution, fit)
                small = None
                if field is not None:
                    masks = {name: (field >> bit & 1).astype(bool) for bit, name in enumerate(store.structures)}
                    small = fit_masks(masks, store.structures, resolution, fit, cover)
                    said["mask_sha256"] = pixels_sha256(small)
                writer.add(image, small, said | {"sha256": pixels_sha256(image)})
    return Cohort.open(out)


def read_quarantine(folder: Path) -> list[list[str]]:
    """Return the rows of a prepared pool's quarantine, [] where it was a store that has none."""
    path = folder / "pool" / "quarantine.tsv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream, delimiter="\t"))[1:]
