"""VinDr-CXR: DICOM films of adults; for each split a table of labels and one of boxes, a row a reader.

Three radiologists read each training film on their own; the test films carry what five agreed on. Boxes of one class that readers
drew around the same place count as one box, their mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.keys import Join
from scripts.lib.formats.labels import check_labels, label_value
from scripts.lib.formats.paths import safe_name
from scripts.lib.formats.record import STRUCTURES, Box, Listing, MaskSource, Record, Rejected, Rejection
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table

SPLITS = ("train", "test")
CORNERS = ("x_min", "y_min", "x_max", "y_max")
LOCAL = (
    *(
        "Aortic enlargement",
        "Atelectasis",
        "Calcification",
        "Cardiomegaly",
        "Clavicle fracture",
        "Consolidation",
        "Edema",
    ),
    *(
        "Emphysema",
        "Enlarged PA",
        "ILD",
        "Infiltration",
        "Lung Opacity",
        "Lung cavity",
        "Lung cyst",
        "Mediastinal shift",
    ),
    *("Nodule/Mass", "Other lesion", "Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis"),
    "Rib fracture",
)
WHOLE = ("COPD", "Lung tumor", "No finding", "Other disease", "Pneumonia", "Tuberculosis")
SPELLINGS = {"otherdiseases": "otherdisease"}
NO_FINDING = "nofinding"
SAME = 0.5  # overlap from which boxes of two readers are of one finding
RENAMED = "names of classes in another of their spellings, taken as the same class"
ONE_READER = "films that a single reader read, where other films of their split have several"
DISAGREE = "films whose readers disagree about a label, counted as positive"
NO_BOXES = "films that the table of boxes does not name"
Corners = tuple[float, float, float, float]


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of both tables; `groups` names the classes of each structure and label.

    A label is 1 where any reader says so. Raises InputError for an unknown class and for a box on "No finding"; a film with a box
    that cannot be is rejected.
    """
    groups = _groups(settings["groups"])
    check_labels("vindr-cxr", labels, list(groups))
    available = [name for name, classes in groups.items() if any(one in LOCAL for one in classes)]
    listing = Listing([], list(labels), available if settings["box_masks"] else [], tables("vindr-cxr", root, settings))
    listing.folders, listing.suffixes = SPLITS, (".dicom", ".dcm")
    for split in SPLITS:
        if not settings[split]:
            continue
        boxes = _boxes(root, settings, split, listing) if settings["box_masks"] else None
        films = _films(root, settings, split, groups)
        several = any(len(readers) > 1 for _, readers, _ in films.values())
        for name, (row, readers, said) in films.items():
            source = f"{split}/{name}.dicom"
            listing.listed.add(source)
            present: dict[str, int | None] = {label: max(said[label]) for label in labels}
            record = Record(name, source, labels=present, split=split, where=row.where)
            if several and len(readers) == 1:
                record.notes.add(ONE_READER)
            if any(len(set(said[label])) > 1 for label in labels):
                record.notes.add(DISAGREE)
            try:
                if boxes is not None:
                    _add_boxes(record, boxes, groups, listing.structures)
            except Rejected as reason:
                listing.rejected.append(Rejection(source, name, str(reason)))
                continue
            listing.records.append(record)
        if boxes is not None:
            boxes.check("boxes", f"{split}_boxes")
    return listing


def plain(name: str) -> str:
    """Return a class's name in small letters without signs, other spellings put right."""
    bare = re.sub(r"[^a-z]", "", name.lower())
    return SPELLINGS.get(bare, bare)


KNOWN = {plain(name): name for name in (*LOCAL, *WHOLE)}


def class_of(name: str, where: str) -> str:
    """Return the class that a name means; raises InputError, with the nearest one, for a name that is none."""
    known = KNOWN.get(plain(name))
    if known is None:
        near = get_close_matches(name, KNOWN.values(), n=1)
        raise InputError(
            f"{where}: class {name!r} is none of VinDr-CXR's{f', did you mean {near[0]!r}?' if near else ''}"
        )
    return known


def _groups(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the classes of each structure; raises InputError for a structure that the project does not have."""
    for name in given:
        if name not in STRUCTURES:
            raise InputError(f"reader.groups: {name!r} is no structure; expected some of {', '.join(STRUCTURES)}")
    return {
        name: tuple(class_of(one, f"reader.groups.{name}") for one in ([names] if isinstance(names, str) else names))
        for name, names in given.items()
    }


def _films(
    root: Path, settings: Mapping[str, Any], split: str, groups: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[Row, set[str], dict[str, list[int]]]]:
    """Return by image: its first row, its readers, and what each of them says of each label."""
    table = Table(root / settings[split], ("image_id",), settings["encoding"])
    columns = {plain(column): column for column in table.columns}
    wanted: dict[str, list[str]] = {}
    for name, classes in groups.items():
        missing = [one for one in classes if plain(one) not in columns]
        if missing:
            raise InputError(f"{table.path}: no column {missing[0]!r} (reader.groups.{name}); get a true copy")
        wanted[name] = [columns[plain(one)] for one in classes]
    films: dict[str, tuple[Row, set[str], dict[str, list[int]]]] = {}
    for row in table:
        image = safe_name(row["image_id"], f"{row.where} column image_id")
        _, readers, said = films.setdefault(image, (row, set(), {name: [] for name in groups}))
        readers.add(row.get("rad_id"))
        for name, rows in wanted.items():
            values = [label_value(row[column], f"{row.where} column {column}") for column in rows]
            if any(value not in (0, 1) for value in values):
                raise InputError(f"{row.where}: labels {values} of {', '.join(rows)}, expected 0 or 1")
            said[name].append(int(any(values)))
    return films


def _boxes(
    root: Path, settings: Mapping[str, Any], split: str, listing: Listing
) -> Join[list[tuple[str, list[str], str]]]:
    """Return by image: class, the four corners as the table writes them, and where they stand."""
    table = Table(root / settings[f"{split}_boxes"], ("image_id", "class_name", *CORNERS), settings["encoding"])
    boxes: Join[list[tuple[str, list[str], str]]] = Join(table.path, "image_id")
    for row in table:
        known = boxes.rows.setdefault(safe_name(row["image_id"], f"{row.where} column image_id"), [])
        name = class_of(row["class_name"], f"{row.where} column class_name")
        if name != row["class_name"]:
            listing.notes.add(RENAMED, f"{row['class_name']} for {name}")
        corners = [row[corner] for corner in CORNERS]
        given = sum(bool(text) for text in corners)
        if name in WHOLE and given:
            raise InputError(f"{row.where}: {given} of 4 corners for {name}, which has no place; expected none")
        if name not in WHOLE:
            known.append((name, corners, row.where))
    return boxes


def _add_boxes(
    record: Record,
    boxes: Join[list[tuple[str, list[str], str]]],
    groups: Mapping[str, tuple[str, ...]],
    structures: Sequence[str],
) -> None:
    """Give a film its boxes, those of several readers joined; raises Rejected for a box that cannot be."""
    name = boxes.match(record.image_id)
    if name is None:
        record.notes.add(NO_BOXES)
        return
    record.annotated = tuple(structures)
    joined: list[Box] = []
    for structure in structures:
        corners = [_corners(texts, where) for one, texts, where in boxes.rows[name] if one in groups[structure]]
        joined += [(structure, *box) for box in join_alike(corners)]
        if corners:
            sizes = tuple((left, top, right - left, bottom - top) for left, top, right, bottom in join_alike(corners))
            record.masks += (MaskSource(structure, "boxes", sizes, record.where),)
    record.boxes = tuple(joined)


def _corners(texts: Sequence[str], where: str) -> Corners:
    try:
        left, top, right, bottom = (float(text) for text in texts)
    except ValueError:
        raise Rejected(f"{where}: corners {list(texts)}, expected four numbers") from None
    if not all(map(math.isfinite, (left, top, right, bottom))) or left < 0 or top < 0 or right <= left or bottom <= top:
        raise Rejected(f"{where}: corners {list(texts)}, expected 0 <= x_min < x_max and 0 <= y_min < y_max")
    return left, top, right, bottom


def join_alike(boxes: Sequence[Corners]) -> list[Corners]:
    """Return boxes (left, top, right, bottom) with those that overlap the first of a group by SAME or more as their mean."""
    groups: list[list[Corners]] = []
    for box in sorted(boxes):
        near = next((group for group in groups if _overlap(group[0], box) >= SAME), None)
        if near is None:
            groups.append([box])
        else:
            near.append(box)
    means = [[sum(edge) / len(group) for edge in zip(*group)] for group in groups]
    return [(left, top, right, bottom) for left, top, right, bottom in means]


def _overlap(one: Corners, two: Corners) -> float:
    across = max(0.0, min(one[2], two[2]) - max(one[0], two[0]))
    down = max(0.0, min(one[3], two[3]) - max(one[1], two[1]))
    sizes = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return across * down / (sum(sizes) - across * down)
