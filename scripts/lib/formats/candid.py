"""CANDID-PTX: DICOM files named by their UID without extension; reports with pneumothorax masks; tubes and rib fractures."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.errors import InputError
from scripts.lib.formats import chexmask
from scripts.lib.formats.labels import check_labels
from scripts.lib.formats.paths import safe_name
from scripts.lib.formats.record import Listing, MaskSource, Record, Rejection
from scripts.lib.formats.rle import filled_runs
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table, is_missing

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
    rows = _rows_by_image(Table(root / settings["table"], ("SOPInstanceUID", "EncodedPixels"), settings["encoding"]))
    runs = {"pneumothorax": {name: [(row, row["EncodedPixels"]) for row in own] for name, own in rows.items()}}
    for structure, key in MASK_TABLES.items():
        runs[structure] = _mask_rows(root, settings, key)
        listing.notes[STRANGERS] += len(runs[structure].keys() - rows.keys())
    for name, own in rows.items():
        _add(listing, name, own, {structure: found.get(name, []) for structure, found in runs.items()}, settings)
    if settings["chexmask"]:
        chexmask.add_masks(listing, chexmask.read_masks(root, settings), settings["chexmask_missing"])
    return listing


def _rows_by_image(table: Table) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in table:
        rows[safe_name(row["SOPInstanceUID"], f"{row.where} column SOPInstanceUID")].append(row)
    return rows


def _mask_rows(root: Path, settings: Mapping[str, Any], key: str) -> dict[str, list[tuple[Row, str]]]:
    found: dict[str, list[tuple[Row, str]]] = defaultdict(list)
    if settings[key]:
        for row in Table(root / settings[key], ("anon_SOPUID", "mask_rle"), settings["encoding"]):
            found[row["anon_SOPUID"]].append((row, row["mask_rle"]))
    return found


def _add(
    listing: Listing,
    name: str,
    rows: list[Row],
    runs: Mapping[str, list[tuple[Row, str]]],
    settings: Mapping[str, Any],
) -> None:
    source = f"{settings['images']}/{name}"
    listing.listed.add(source)
    patients = sorted({_patient(row) for row in rows} - {""})
    if len(patients) > 1:
        listing.rejected.append(Rejection(source, name, f"{TWO_PATIENTS}: {', '.join(patients)}"))
        return
    reports = list(dict.fromkeys(row.get("Report") for row in rows if not is_missing(row.get("Report"))))
    listing.notes[REPORTS] += len(reports) > 1
    annotated = tuple(structure for structure in OWN if structure in listing.structures)
    masks = []
    for structure in annotated:
        where = runs[structure][0][0].where if runs[structure] else ""
        filled = filled_runs([text for _, text in runs[structure]], where)
        if filled:
            masks.append(MaskSource(structure, "runs", filled, where, base=settings["rle_base"]))
    present = {mask.structure for mask in masks}
    listing.records.append(
        Record(
            image_id=name,
            source_file=source,
            patient_id=patients[0] if patients else "",
            report=reports[0] if reports else None,
            labels={label: int(label in present) for label in listing.labels},
            masks=tuple(masks),
            annotated=annotated,
            where=rows[0].where,
        )
    )


def _patient(row: Row) -> str:
    """Return the patient in a file name such as P00012_03, "" when the table has no such column."""
    name = row.get("filename") or row.get("Filename")
    match = re.match(r"P\d+", name)
    if name and not match:
        raise InputError(f"{row.where}: file name {name!r}, expected one that begins with P and the patient's number")
    return match[0] if match else ""
