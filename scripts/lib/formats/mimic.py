"""MIMIC-CXR and MIMIC-CXR-JPG: films by patient and study, labels a study, and reports by section or as text files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.errors import InputError
from scripts.lib.formats import chexmask
from scripts.lib.formats.labels import decide, is_lateral, label_columns, row_labels, view_of
from scripts.lib.formats.paths import safe_name
from scripts.lib.formats.record import Listing, Record
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table, is_missing

SPLITS = ("train", "validate", "test")
NO_LABELS = "films of studies without a row of labels"


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of the split table, with its splits train, validate and test, and the impression as report."""
    available = ["lungs", "heart"] if settings["chexmask"] else []
    listing = Listing([], list(labels), available, tables("mimic", root, settings))
    listing.folders, listing.suffixes = (settings["images"],), (settings["suffix"],)
    views = _views(root, settings)
    found = _study_labels(root, settings, labels)
    reports = _sections(root, settings)
    table = Table(root / settings["split"], ("dicom_id", "study_id", "subject_id", "split"), settings["encoding"])
    for row in table.unique("dicom_id"):
        record = _record(row, settings)
        record.view = views.get(record.image_id, "")
        listing.listed.add(record.source_file)
        if settings["frontal_only"] and is_lateral(record.view):
            listing.excluded["lateral"] += 1
            continue
        study = row["study_id"]
        if labels and study not in found:
            listing.notes[NO_LABELS] += 1
        record.labels = found.get(study) or {label: decide(None, label, "zeros", settings["blank"]) for label in labels}
        if reports is None:
            record.report_file = record.source_file.rsplit("/", 1)[0] + ".txt"
        else:
            record.report, record.findings = reports.get(study, (None, None))
        listing.records.append(record)
    if settings["chexmask"]:
        chexmask.add_masks(listing, chexmask.read_masks(root, settings), settings["chexmask_missing"])
    return listing


def _record(row: Row, settings: Mapping[str, Any]) -> Record:
    name = safe_name(row["dicom_id"], f"{row.where} column dicom_id")
    subject, study = (row[column].removeprefix(letter) for column, letter in (("subject_id", "p"), ("study_id", "s")))
    if not (subject.isdigit() and study.isdigit()):
        raise InputError(f"{row.where}: subject {subject!r} and study {study!r}, expected whole numbers")
    if row["split"] not in SPLITS:
        raise InputError(f"{row.where}: split {row['split']!r}, expected one of {', '.join(SPLITS)}")
    return Record(
        image_id=name,
        source_file=f"{settings['images']}/p{subject[:2]}/p{subject}/s{study}/{name}{settings['suffix']}",
        patient_id=subject,
        split=row["split"],
        where=row.where,
    )


def _views(root: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    if not settings["metadata"]:
        return {}
    table = Table(root / settings["metadata"], ("dicom_id", "ViewPosition"), settings["encoding"])
    return {row["dicom_id"]: view_of(row["ViewPosition"]) for row in table.unique("dicom_id")}


def _study_labels(root: Path, settings: Mapping[str, Any], labels: Sequence[str]) -> dict[str, dict[str, int | None]]:
    if not labels or not settings["labels"]:
        return {}
    table = Table(root / settings["labels"], ("study_id",), settings["encoding"])
    columns = label_columns(table, labels)
    return {row["study_id"]: row_labels(row, columns, settings) for row in table.unique("study_id")}


def _sections(root: Path, settings: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]] | None:
    """Return {study number: (impression, findings)}, or None when the reports are to be read from their text files."""
    if not settings["reports"]:
        return None
    table = Table(root / settings["reports"], ("study", "impression"), settings["encoding"])
    return {
        row["study"].removeprefix("s"): (_line(row["impression"]), _line(row.get("findings")))
        for row in table.unique("study")
    }


def _line(section: str | None) -> str | None:
    return None if section is None or is_missing(section) else " ".join(section.split())
