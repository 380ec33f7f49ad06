"""VinDr-PCXR: DICOM films of children, a table of diseases for each split, and boxes of local findings.

The headers hold age and sex but no patient, so each film counts as a patient of its own. Names of diseases are matched
without case and signs, because the published tables spell two of them wrongly (Brocho-pneumonia, Diagphramatic hernia).
"""

from __future__ import annotations

import re
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

SPLITS = ("train", "test")
LABEL, STRUCTURE = "pneumonia", "pneumonia"
CORNERS = ("x_min", "y_min", "x_max", "y_max")
SPELLINGS = {"brochopneumonia": "bronchopneumonia", "diagphramatichernia": "diaphragmatichernia"}
NO_FINDING = "nofinding"
NO_BOXES = "films that the table of boxes does not name"
DISAGREE = "films whose readers disagree about the label, counted as positive"
Boxes = list[tuple[float, ...]]


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of both tables; pneumonia is any disease of `positive`.

    A film without one, and without one of `negative`, is left out or counts as negative (`others`). `ages` keeps the films of
    children of [least, most] years; the age stands in the header and is compared when the film is read.
    """
    check_labels("vindr-pcxr", labels, [LABEL])
    available = [STRUCTURE] if settings["box_masks"] else []
    listing = Listing([], list(labels), available, tables("vindr-pcxr", root, settings))
    listing.folders, listing.suffixes = SPLITS, (".dicom", ".dcm")
    ages = _ages(settings["ages"])
    for split in SPLITS:
        if not settings[split]:
            continue
        boxes = _boxes(root, settings, split) if available else None
        for name, (row, value, several) in _films(root, settings, split).items():
            source = f"{split}/{name}.dicom"
            listing.listed.add(source)
            if value is None:
                listing.excluded["another disease"] += 1
                continue
            present: dict[str, int | None] = dict.fromkeys(labels, value)
            record = Record(name, source, "", labels=present, split=split, where=row.where, ages=ages)
            if boxes is not None:
                _add_boxes(record, boxes, value)
            if several:
                record.notes.add(DISAGREE)
            listing.records.append(record)
        if boxes is not None:
            boxes.check("boxes", f"{split}_boxes")
    return listing


def _add_boxes(record: Record, boxes: Join[Boxes], value: int) -> None:
    """Give a film the boxes of its findings; one that the table of boxes does not name was not looked at."""
    name = boxes.match(record.image_id)
    if name is None:
        record.notes.add(NO_BOXES)
        return
    record.annotated = (STRUCTURE,)
    if value and boxes.rows[name]:
        record.masks = (MaskSource(STRUCTURE, "boxes", tuple(boxes.rows[name]), record.where),)


def plain(name: str) -> str:
    """Return a disease's name in small letters without signs, the two misspelt ones put right."""
    bare = re.sub(r"[^a-z]", "", name.lower())
    return SPELLINGS.get(bare, bare)


def _films(root: Path, settings: Mapping[str, Any], split: str) -> dict[str, tuple[Row, int | None, bool]]:
    """Return by image: its first row, its label (None: another disease), and whether its readers disagree."""
    table = Table(root / settings[split], ("image_id",), settings["encoding"])
    columns = {plain(column): column for column in table.columns}
    positive, negative = (_columns(table, columns, settings[key], key) for key in ("positive", "negative"))
    films: dict[str, tuple[Row, int | None, bool]] = {}
    for row in table:
        name = safe_name(row["image_id"], f"{row.where} column image_id")
        value = 1 if _any(row, positive) else 0 if _any(row, negative) or settings["others"] == "negative" else None
        first, known, several = films.get(name, (row, value, False))
        merged = max((one for one in (known, value) if one is not None), default=None)
        films[name] = (first, merged, several or known != value)
    return films


def _columns(table: Table, columns: Mapping[str, str], wanted: Sequence[str], key: str) -> list[str]:
    for name in wanted:
        if plain(str(name)) not in columns:
            raise InputError(
                f"{table.path}: no column {name!r} (reader.{key}); the table has {', '.join(table.columns)[:300]}"
            )
    return [columns[plain(str(name))] for name in wanted]


def _any(row: Row, columns: Sequence[str]) -> bool:
    values = []
    for column in columns:
        value = label_value(row[column], f"{row.where} column {column}")
        if value not in (0, 1):
            raise InputError(f"{row.where} column {column}: {row[column]!r}, expected 0 or 1")
        values.append(value)
    return any(values)


def _boxes(root: Path, settings: Mapping[str, Any], split: str) -> Join[Boxes]:
    """Return the boxes (x, y, width, height) of each image's findings; rows of "No finding" have none."""
    table = Table(root / settings[f"{split}_boxes"], ("image_id", "class_name", *CORNERS), settings["encoding"])
    boxes: Join[Boxes] = Join(table.path, "image_id")
    for row in table:
        known = boxes.rows.setdefault(safe_name(row["image_id"], f"{row.where} column image_id"), [])
        values = [number(row, column) for column in CORNERS]
        given = [value for value in values if value is not None]
        if len(given) not in (0, 4) or bool(given) == (plain(row["class_name"]) == NO_FINDING):
            raise InputError(
                f"{row.where}: class_name {row['class_name']!r} with {len(given)} of 4 corners; expected all, and none "
                "for No finding"
            )
        if not given:
            continue
        left, top, right, bottom = given
        if left < 0 or top < 0 or right <= left or bottom <= top:
            raise InputError(f"{row.where}: corners {given}, expected 0 <= x_min < x_max and 0 <= y_min < y_max")
        known.append((left, top, right - left, bottom - top))
    return boxes


def _ages(given: Sequence[Any]) -> tuple[float, float] | None:
    if not given:
        return None
    ok = len(given) == 2 and all(isinstance(age, (int, float)) and not isinstance(age, bool) for age in given)
    if not ok or not 0 <= given[0] <= given[1]:
        raise InputError(f"reader.ages is {list(given)}, expected [least, most] in years, or [] for every age")
    return float(given[0]), float(given[1])
