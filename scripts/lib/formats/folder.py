"""Any dataset with one CSV table: image_id, file, patient_id, a column a label, and what else it has to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.columns import find_column, note_near_columns
from scripts.lib.formats.keys import normal_form
from scripts.lib.formats.labels import label_columns, row_labels, set_person, view_of
from scripts.lib.formats.listed_findings import ListedFindings
from scripts.lib.formats.locating import Places
from scripts.lib.formats.patients import nih_patient
from scripts.lib.formats.record import Listing, MaskSource, Record
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table, is_missing
from scripts.lib.formats.views import is_lateral

REQUIRED = ("image_id", "file", "patient_id")
OPTIONAL = ("mask_file", "report", "split", "view", "sex", "age")
UNMET = "values of reader.where that no row has"
SPLITS = ("generator", "train", "validate", "test")
# What else tables call these sides, without regard to case.
SPLIT_WORDS = {
    "training": "train",
    "val": "validate",
    "valid": "validate",
    "validation": "validate",
    "dev": "validate",
    "testing": "test",
}


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of the table's rows that `where` selects; `columns` says what the table calls our columns."""
    columns = _columns(settings, labels)
    table = Table(root / settings["table"], [columns[name] for name in REQUIRED], settings["encoding"])
    listed = ListedFindings(table, labels, settings)
    _check_optional(table, settings, structures, listed)
    columns |= {name: find_column(table, columns[name]) or columns[name] for name in OPTIONAL}
    available = list(settings["mask_values"] or structures) if columns["mask_file"] in table.columns else []
    listing = Listing([], list(labels), available, tables("folder", root, settings))
    named = label_columns(table, [label for label in labels if label not in listed.words], settings["columns"])
    read = [*columns.values(), *named.values(), *settings["where"], listed.column]
    note_near_columns(
        table, [columns[name] for name in OPTIONAL if columns[name] not in table.columns], read, listing.notes
    )
    places = {"file": Places(root, settings["images"], "images"), "mask_file": Places(root, settings["masks"], "masks")}
    folders = set()
    met: dict[str, set[str]] = {column: set() for column in settings["where"]}
    for row in table.unique(columns["image_id"]):
        files = _files(row, columns, places)
        listing.listed.update(files)
        for column, values in met.items():
            values.add(row[column])
        shown = listed.labels(row)
        if not _selected(row, settings["where"]):
            listing.excluded["not selected by reader.where"] += 1
            continue
        record = _record(row, columns, files, available)
        folders.add(record.source_file.rpartition("/")[0])
        if settings["frontal_only"] and is_lateral(record.view):
            listing.excluded["lateral"] += 1
            continue
        known = row_labels(row, named, settings) | shown
        record.labels = {label: known[label] for label in labels}
        listing.records.append(record)
    listed.check()
    _note_unmet(settings["where"], met, listing)
    if not listing.records:
        raise InputError(f"{table.path}: no row left after reader.where {settings['where']} and frontal_only")
    listing.folders = tuple(sorted(folders))
    return listing


def split_of(text: str) -> str:
    """Return the side that a cell means, one of SPLITS; any other text as it is."""
    plain = text.strip().casefold()
    return plain if plain in SPLITS else SPLIT_WORDS.get(plain, text)


def _columns(settings: Mapping[str, Any], labels: Sequence[str]) -> dict[str, str]:
    known = (*REQUIRED, *OPTIONAL)
    for name in settings["columns"]:
        if name not in (*known, *labels):
            raise InputError(f"reader.columns: {name!r} is unknown; expected some of {', '.join((*known, *labels))}")
    return {name: settings["columns"].get(name, name) for name in known}


def _check_optional(
    table: Table, settings: Mapping[str, Any], structures: Sequence[str], listed: ListedFindings
) -> None:
    wanted = [*(name for ours, name in settings["columns"].items() if ours not in listed.words), *settings["where"]]
    missing = [column for column in wanted if column not in table.columns]
    if missing:
        raise InputError(f"{table.path}: no column {', '.join(missing)}, named in reader.columns or reader.where")
    if len(structures) > 1 and not settings["mask_values"]:
        raise InputError(
            "reader.mask_values: expected a grey value for each of the structures " + ", ".join(structures)
        )


def _files(row: Row, columns: Mapping[str, str], places: Mapping[str, Places]) -> list[str]:
    """Return the checked paths of a row's film and, if it has one, its mask, whether or not the row is selected."""
    named = [name for name in ("file", "mask_file") if name == "file" or not is_missing(row.get(columns[name]))]
    return [places[name].path(row[columns[name]], f"{row.where} column {columns[name]}") for name in named]


def _selected(row: Row, where: Mapping[str, Any]) -> bool:
    return all(any(_equal(row[column], value) for value in _listed(wanted)) for column, wanted in where.items())


def _listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _equal(cell: str, wanted: Any) -> bool:
    """Whether a cell has the value that the configuration names: numbers as numbers, true and false as spreadsheets write them."""
    if isinstance(wanted, bool):
        return cell.lower() in (("true", "1", "1.0") if wanted else ("false", "0", "0.0"))
    if isinstance(wanted, (int, float)):
        try:
            return float(cell) == wanted
        except ValueError:
            return False
    return is_missing(cell) if wanted is None else normal_form(cell) == normal_form(str(wanted))


def _note_unmet(where: Mapping[str, Any], met: Mapping[str, set[str]], listing: Listing) -> None:
    for column, wanted in where.items():
        for value in _listed(wanted):
            if not any(_equal(cell, value) for cell in met[column]):
                listing.notes.add(UNMET, f"{column}: {value}")


def _record(row: Row, columns: Mapping[str, str], files: Sequence[str], available: Sequence[str]) -> Record:
    values = {name: row.get(column) for name, column in columns.items()}
    if is_missing(values["patient_id"]):
        raise InputError(f"{row.where}: column {columns['patient_id']} is empty; expected whose film it is")
    split = split_of(values["split"]) if values["split"] else None
    if split not in (None, *SPLITS):
        raise InputError(f"{row.where}: split {split!r}, expected one of {', '.join((*SPLITS, *SPLIT_WORDS))}")
    masks: tuple[MaskSource, ...] = ()
    if available and files[1:]:
        masks = (MaskSource(available[0], "file", tuple(files[1:]), f"{row.where} column {columns['mask_file']}"),)
    record = Record(
        image_id=values["image_id"],
        source_file=files[0],
        patient_id=nih_patient(values["patient_id"]) or values["patient_id"],
        view=view_of(values["view"]),
        report=None if is_missing(values["report"]) else " ".join(values["report"].split()),
        split=split,
        masks=masks,
        annotated=tuple(available) if masks else (),
        where=row.where,
    )
    set_person(record, values["age"], values["sex"])
    return record
