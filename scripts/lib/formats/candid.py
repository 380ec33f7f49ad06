"""CANDID-PTX: DICOM files named by their UID without extension; reports with pneumothorax masks; tubes and rib fractures."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats import chexmask
from scripts.lib.formats.columns import find_column, note_near_columns
from scripts.lib.formats.keys import Join
from scripts.lib.formats.labels import check_labels
from scripts.lib.formats.paths import safe_name
from scripts.lib.formats.record import Listing, MaskSource, Record, Rejection
from scripts.lib.formats.rle import filled_runs
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table, is_missing

REQUIRED = ("SOPInstanceUID", "EncodedPixels")
OPTIONAL = ("filename", "Report")
OWN = ("pneumothorax", "rib_fracture", "chest_tube")
MASK_TABLES = {"rib_fracture": "rib_fractures", "chest_tube": "chest_tubes"}
STRANGERS = "annotation rows of films that the reports table does not list"
REPORTS = "films with several reports, of which the first was taken"
TWO_PATIENTS = "listed for two patients"


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of the reports table; a label of a film is whether it has such a mask."""
    available = ["lungs", "heart"] if settings["chexmask"] else []
    available += [name for name in OWN if name == "pneumothorax" or settings[MASK_TABLES[name]]]
    check_labels("candid", labels, [name for name in available if name in OWN])
    listing = Listing([], list(labels), available, tables("candid", root, settings))
    listing.folders, listing.suffixes = (settings["images"],), ()
    table = Table(root / settings["table"], REQUIRED, settings["encoding"])
    named = {name: find_column(table, name) for name in OPTIONAL}
    absent = [name for name, column in named.items() if column is None]
    note_near_columns(table, absent, [*REQUIRED, *filter(None, named.values())], listing.notes)
    columns = {name: column or name for name, column in named.items()}
    rows = _rows_by_image(table)
    runs = {"pneumothorax": {name: [(row, row["EncodedPixels"]) for row in lines] for name, lines in rows.items()}}
    for structure, key in MASK_TABLES.items():
        runs[structure] = _mask_rows(root, settings, key, rows, listing)
    for name, lines in rows.items():
        _add(
            listing,
            name,
            lines,
            {structure: runs_of.get(name, []) for structure, runs_of in runs.items()},
            columns,
            settings,
        )
    if settings["chexmask"]:
        chexmask.add_masks(listing, chexmask.read_masks(root, settings), settings["chexmask_missing"])
    return listing


def _rows_by_image(table: Table) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in table:
        rows[safe_name(row["SOPInstanceUID"], f"{row.where} column SOPInstanceUID")].append(row)
    return rows


def _mask_rows(
    root: Path, settings: Mapping[str, Any], key: str, films: Mapping[str, Any], listing: Listing
) -> dict[str, list[tuple[Row, str]]]:
    """Return the annotations of a further table by film; a film that it does not list has none of the kind.

    Raises InputError when it lists none of the films at all: that is no sign of health but of another spelling.
    """
    by_structure: dict[str, list[tuple[Row, str]]] = defaultdict(list)
    if not settings[key]:
        return by_structure
    known: Join[None] = Join(root / settings["table"], "SOPInstanceUID")
    for name in films:
        known.add(name, None)
    strangers: dict[str, None] = {}
    for row in Table(root / settings[key], ("anon_SOPUID", "mask_rle"), settings["encoding"]):
        film = known.match(row["anon_SOPUID"])
        if film is None:
            strangers[row["anon_SOPUID"]] = None
        else:
            by_structure[film].append((row, row["mask_rle"]))
    if strangers and not by_structure:
        raise InputError(
            f"{root / settings[key]}: lists none of the films of {known.path}, but {min(strangers)!r} and others; write "
            f"identifiers alike in both tables, or set reader.{key}: null to do without"
        )
    for name in strangers:
        listing.notes.add(STRANGERS, name)
    return by_structure


def _add(
    listing: Listing,
    name: str,
    rows: list[Row],
    runs: Mapping[str, list[tuple[Row, str]]],
    columns: Mapping[str, str],
    settings: Mapping[str, Any],
) -> None:
    source = f"{settings['images']}/{name}"
    listing.listed.add(source)
    patients = sorted({_patient(row, columns["filename"]) for row in rows} - {""})
    if len(patients) > 1:
        listing.rejected.append(Rejection(source, name, f"{TWO_PATIENTS}: {', '.join(patients)}"))
        return
    texts = [row.get(columns["Report"]) for row in rows]
    reports = list(dict.fromkeys(text for text in texts if not is_missing(text)))
    annotated = tuple(structure for structure in OWN if structure in listing.structures)
    masks = []
    for structure in annotated:
        where = runs[structure][0][0].where if runs[structure] else ""
        filled = filled_runs([text for _, text in runs[structure]], where)
        if filled:
            masks.append(MaskSource(structure, "runs", filled, where, base=settings["rle_base"]))
    present = {mask.structure for mask in masks}
    record = Record(
        image_id=name,
        source_file=source,
        patient_id=patients[0] if patients else "",
        report=reports[0] if reports else None,
        labels={label: int(label in present) for label in listing.labels},
        masks=tuple(masks),
        annotated=annotated,
        where=rows[0].where,
    )
    if len(reports) > 1:
        record.notes.add(REPORTS)
    listing.records.append(record)


def _patient(row: Row, column: str) -> str:
    """Return the patient in a file name such as P00012_03, "" when the table has no such column."""
    name = row.get(column)
    match = re.match(r"P\d+", name)
    if name and not match:
        raise InputError(f"{row.where}: file name {name!r}, expected one that begins with P and the patient's number")
    return match[0] if match else ""
