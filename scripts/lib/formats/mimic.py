"""MIMIC-CXR and MIMIC-CXR-JPG: films by patient and study, labels a study, and reports by section or as text files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from scripts.lib.core.errors import InputError
from scripts.lib.formats import chexmask
from scripts.lib.formats.keys import Join, whole_number
from scripts.lib.formats.labels import label_columns, row_labels, view_of
from scripts.lib.formats.paths import safe_name
from scripts.lib.formats.record import Listing, Record
from scripts.lib.formats.reports import NO_IMPRESSION
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table, is_missing
from scripts.lib.formats.views import is_lateral

T = TypeVar("T")
SPLITS = ("train", "validate", "test")
NO_LABELS = "films of studies without a row of labels, which are unknown then"
NO_SECTIONS = "films of studies without a row of report sections"
NO_METADATA = "films without a row of metadata, which says the view"


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of the split table, with its splits train, validate and test, and the impression as report."""
    available = ["lungs", "heart"] if settings["chexmask"] else []
    listing = Listing([], list(labels), available, tables("mimic", root, settings))
    listing.folders, listing.suffixes = (settings["images"],), (settings["suffix"],)
    views = _views(root, settings)
    labelled = _study_labels(root, settings, labels)
    reports = _sections(root, settings)
    table = Table(root / settings["split"], ("dicom_id", "study_id", "subject_id", "split"), settings["encoding"])
    for row in table.unique("dicom_id"):
        record = _record(row, settings)
        if views:
            record.view = _found(views, record.image_id, record, NO_METADATA) or ""
        listing.listed.add(record.source_file)
        if settings["frontal_only"] and is_lateral(record.view):
            listing.excluded["lateral"] += 1
            continue
        study = record.source_file.split("/")[-2].removeprefix("s")
        if labelled:
            record.labels = _found(labelled, study, record, NO_LABELS) or dict.fromkeys(labels)
        if reports is None:
            record.report_file = record.source_file.rsplit("/", 1)[0] + ".txt"
        else:
            record.report, record.findings = _found(reports, study, record, NO_SECTIONS) or (None, None)
            if record.report is None and not record.notes[NO_SECTIONS]:
                record.notes.add(NO_IMPRESSION)
        listing.records.append(record)
    joins: tuple[tuple[Join[Any] | None, str, str], ...] = (
        (views, "views", "metadata"),
        (labelled, "labels", "labels"),
        (reports, "reports", "reports"),
    )
    for join, what, key in joins:
        if join:
            join.check(what, key)
    if settings["chexmask"]:
        chexmask.add_masks(listing, chexmask.read_masks(root, settings), settings["chexmask_missing"])
    return listing


def _found(table: Join[T], key: str, record: Record, kind: str) -> T | None:
    """Return the partner of a film, or None and a note."""
    name = table.match(key)
    if name is None:
        record.notes.add(kind)
        return None
    return table.rows[name]


def _record(row: Row, settings: Mapping[str, Any]) -> Record:
    name = safe_name(row["dicom_id"], f"{row.where} column dicom_id")
    subject, study = _number(row["subject_id"], "p"), _number(row["study_id"], "s")
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


def _number(text: str, letter: str) -> str:
    """Return the digits of a subject or study: "50000000" of "s50000000", "50000000.0" or the name of a report file."""
    return whole_number(text.lower().removesuffix(".txt").removeprefix(letter))


def _views(root: Path, settings: Mapping[str, Any]) -> Join[str] | None:
    if not settings["metadata"]:
        return None
    table = Table(root / settings["metadata"], ("dicom_id", "ViewPosition"), settings["encoding"])
    views: Join[str] = Join(table.path, "dicom_id")
    for row in table.unique("dicom_id"):
        views.add(row["dicom_id"], view_of(row["ViewPosition"]))
    return views


def _study_labels(root: Path, settings: Mapping[str, Any], labels: Sequence[str]) -> Join[dict[str, int | None]] | None:
    if not labels:
        return None
    if not settings["labels"]:
        raise InputError(
            f"labels: {', '.join(labels)} are wanted, but reader.labels is null; name the table that has them"
        )
    table = Table(root / settings["labels"], ("study_id",), settings["encoding"])
    columns = label_columns(table, labels)
    by_study: Join[dict[str, int | None]] = Join(table.path, "study_id")
    for row in table.unique("study_id"):
        by_study.add(_number(row["study_id"], "s"), row_labels(row, columns, settings))
    return by_study


def _sections(root: Path, settings: Mapping[str, Any]) -> Join[tuple[str | None, str | None]] | None:
    """Return (impression, findings) by study number, or None when the reports are to be read from their text files."""
    if not settings["reports"]:
        return None
    table = Table(root / settings["reports"], ("study", "impression"), settings["encoding"])
    sections: Join[tuple[str | None, str | None]] = Join(table.path, "study")
    for row in table.unique("study"):
        sections.add(_number(row["study"], "s"), (_line(row["impression"]), _line(row.get("findings"))))
    return sections


def _line(section: str | None) -> str | None:
    return None if section is None or is_missing(section) else " ".join(section.split())
