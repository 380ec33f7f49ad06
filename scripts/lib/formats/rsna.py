"""RSNA pneumonia challenge: a table with one row a box, a table of classes repeated a box, DICOM files by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.keys import Join
from scripts.lib.formats.labels import check_labels, label_value
from scripts.lib.formats.paths import safe_name
from scripts.lib.formats.record import Listing, MaskSource, Record
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table, number

BOX = ("x", "y", "width", "height")
OPACITY = "Lung Opacity"
NO_PATIENTS = (
    "films each counted as a patient of its own: patientId names a film, and the 26,684 films of the challenge are of 11,439 "
    "patients"
)


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of the table; pneumonia is its Target, a mask the union of its boxes when `box_masks`."""
    check_labels("rsna", labels, ["pneumonia"])
    available = ["pneumonia"] if settings["box_masks"] else []
    listing = Listing([], list(labels), available, tables("rsna", root, settings))
    listing.folders, listing.suffixes = (settings["images"],), (".dcm", ".dicom")
    classes = _classes(root, settings)
    films: dict[str, tuple[Row, int, list[tuple[float, ...]]]] = {}
    for row in Table(root / settings["table"], ("patientId", *BOX, "Target"), settings["encoding"]):
        _add_row(films, row)
    for name, (row, target, boxes) in films.items():
        label_class = classes.find(name, "nothing") if classes else None
        if label_class is not None and (label_class == "nothing" or (label_class == OPACITY) != (target == 1)):
            raise InputError(f"{row.where}: Target {target}, but {settings['classes']} says {label_class!r} for {name}")
        source = f"{settings['images']}/{name}.dcm"
        listing.listed.add(source)
        masks = (MaskSource("pneumonia", "boxes", tuple(boxes), row.where),) if boxes and available else ()
        present: dict[str, int | None] = dict.fromkeys(labels, target)
        listing.records.append(
            Record(name, source, name, labels=present, masks=masks, annotated=tuple(available), where=row.where)
        )
    if not settings["patients"]:
        listing.notes.add(NO_PATIENTS, count=len(listing.records))
    return listing


def _classes(root: Path, settings: Mapping[str, Any]) -> Join[str] | None:
    """Return the class by patientId; its rows repeat once a box, so equal rows are dropped before anything is joined."""
    if not settings["classes"]:
        return None
    table = Table(root / settings["classes"], ("patientId", "class"), settings["encoding"])
    classes: Join[str] = Join(table.path, "patientId")
    for row in table.unique("patientId"):
        classes.add(row["patientId"], row["class"])
    return classes


def _add_row(films: dict[str, tuple[Row, int, list[tuple[float, ...]]]], row: Row) -> None:
    name = safe_name(row["patientId"], f"{row.where} column patientId")
    target = label_value(row["Target"], f"{row.where} column Target")
    if target not in (0, 1):
        raise InputError(f"{row.where}: Target is {row['Target']!r}, expected 0 or 1")
    values = tuple(number(row, column) for column in BOX)
    given = [value for value in values if value is not None]
    if len(given) not in (0, 4) or bool(given) != (target == 1):
        raise InputError(
            f"{row.where}: Target {target} with {len(given)} of 4 box fields; a box belongs to Target 1, only"
        )
    if given and (min(given[:2]) < 0 or min(given[2:]) <= 0):
        raise InputError(f"{row.where}: box {given}, expected x, y from 0 on and a positive width and height")
    first, known, boxes = films.setdefault(name, (row, target, []))
    if known != target:
        raise InputError(f"{row.where}: Target {target}, but row {first.line} says {known} for {name}")
    if given and tuple(given) not in boxes:
        boxes.append(tuple(given))
