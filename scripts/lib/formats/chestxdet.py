"""ChestX-Det: PNG films, and for each split one JSON list of findings with their boxes and polygons.

Every film was read for all thirteen classes, so a class that a film's row does not name is absent. The names of the films were
renumbered: nothing says whose film it is. Lungs and heart come apart from it, in a table of CheXmask form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json_list
from scripts.lib.formats import chexmask
from scripts.lib.formats.labels import check_labels
from scripts.lib.formats.paths import safe_path
from scripts.lib.formats.record import STRUCTURES, Box, Listing, MaskSource, Record, Rejected, Rejection
from scripts.lib.formats.sources import tables

CLASSES = (
    *("Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "Diffuse Nodule", "Effusion", "Emphysema"),
    *("Fibrosis", "Fracture", "Mass", "Nodule", "Pleural Thickening", "Pneumothorax"),
)
SPLITS = ("train", "test")
KEYS = ("file_name", "syms", "boxes", "polygons")
EXPECTED = f"ChestX-Det's list of objects with {', '.join(KEYS)}"
NO_PATIENTS = "films each counted as a patient of its own: ChestX-Det's names are renumbered and name no patient"
UNLIKE = "boxes that differ from their polygon by more than 2 pixels"
APART = 2.0  # pixels
Points = tuple[tuple[float, float], ...]


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of both lists; `groups` names the classes of each structure, and a label is whether one is there.

    Raises InputError for a list that is none, a row whose lists differ in length, and a class that ChestX-Det does not have.
    """
    groups = _groups(settings["groups"])
    check_labels("chestxdet", labels, list(groups))
    available = [*(["lungs", "heart"] if settings["chexmask"] else []), *groups]
    listing = Listing([], list(labels), available, tables("chestxdet", root, settings))
    listing.folders = tuple(settings[f"{split}_images"] for split in SPLITS if settings[split])
    listing.suffixes = (".png", ".jpg", ".jpeg")
    for split in SPLITS:
        if settings[split]:
            for number, row in enumerate(read_json_list(root / settings[split], EXPECTED), start=1):
                _add(listing, row, f"{root / settings[split]} row {number}", settings, split, groups)
    if not settings["patients"]:
        listing.notes.add(NO_PATIENTS, count=len(listing.records))
    if settings["chexmask"]:
        chexmask.add_masks(listing, chexmask.read_masks(root, settings), settings["chexmask_missing"])
    return listing


def _groups(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the classes of each structure; raises InputError for an unknown name or a class in two structures."""
    groups: dict[str, tuple[str, ...]] = {}
    taken: dict[str, str] = {}
    findings = [one for one in STRUCTURES if one not in chexmask.STRUCTURES]
    for name, classes in given.items():
        if name not in findings:
            raise InputError(
                f"reader.groups: {name!r} is no structure of a finding; expected some of {', '.join(findings)}"
            )
        groups[name] = tuple(classes) if isinstance(classes, (list, tuple)) else (classes,)
        for one in groups[name]:
            _check_class(one, f"reader.groups.{name}")
            if one in taken:
                raise InputError(f"reader.groups: {one} stands in {taken[one]} and in {name}; expected one structure")
            taken[one] = name
    return groups


def _check_class(name: str, where: str) -> None:
    if name not in CLASSES:
        near = get_close_matches(name, CLASSES, n=1)
        raise InputError(
            f"{where}: class {name!r} is none of ChestX-Det's{f', did you mean {near[0]!r}?' if near else ''}; expected one of "
            f"{', '.join(CLASSES)}"
        )


def _add(
    listing: Listing,
    row: Any,
    where: str,
    settings: Mapping[str, Any],
    split: str,
    groups: Mapping[str, tuple[str, ...]],
) -> None:
    """Add the film of a row, or reject it: InputError is for what is wrong with the whole table."""
    if not isinstance(row, dict) or any(key not in row for key in KEYS):
        raise InputError(f"{where}: expected an object with {', '.join(KEYS)}, got {str(row)[:80]}")
    source = safe_path(f"{settings[f'{split}_images']}/{row['file_name']}", f"{where} key file_name")
    counts = {key: len(row[key]) if isinstance(row[key], list) else -1 for key in KEYS[1:]}
    if len(set(counts.values())) > 1 or -1 in counts.values():
        counted = ", ".join(f"{count} {key}" for key, count in counts.items())
        raise InputError(
            f"{where} ({row['file_name']}): {counted}; expected three lists of one length, an entry a finding"
        )
    for name in row["syms"]:
        _check_class(str(name), f"{where} key syms")
    listing.listed.add(source)
    name = Path(source).stem
    try:
        record = _record(name, source, row, where, groups)
    except Rejected as reason:
        listing.rejected.append(Rejection(source, name, str(reason)))
        return
    record.labels = {label: int(any(one in row["syms"] for one in groups[label])) for label in listing.labels}
    record.split, record.view = split, "PA"
    listing.records.append(record)


def _record(
    name: str, source: str, row: Mapping[str, Any], where: str, groups: Mapping[str, tuple[str, ...]]
) -> Record:
    """Return a film with the polygons and boxes of its groups; raises Rejected for one that cannot be drawn."""
    structure_of = {one: structure for structure, classes in groups.items() for one in classes}
    drawn: dict[str, list[Points]] = {}
    boxes: list[Box] = []
    record = Record(name, source, name, annotated=tuple(groups), where=where)
    for place, (sym, given, outline) in enumerate(zip(row["syms"], row["boxes"], row["polygons"]), start=1):
        what = f"finding {place} ({sym})"
        box, points = _box(given, what), _points(outline, what)
        if _apart(box, points) > APART:
            record.notes.add(UNLIKE, what)
        if sym in structure_of:
            drawn.setdefault(structure_of[sym], []).append(points)
            boxes.append((structure_of[sym], *box))
    record.masks = tuple(
        MaskSource(structure, "polygons", tuple(polygons), where) for structure, polygons in drawn.items()
    )
    record.boxes = tuple(boxes)
    return record


def _box(given: Any, what: str) -> tuple[float, float, float, float]:
    if not isinstance(given, list) or len(given) != 4 or not all(_number(value) for value in given):
        raise Rejected(f"{what}: box {str(given)[:60]}, expected [x1, y1, x2, y2]")
    left, top, right, bottom = map(float, given)
    if right <= left or bottom <= top:
        raise Rejected(f"{what}: box {given} is reversed or has no area, expected x1 < x2 and y1 < y2")
    return left, top, right, bottom


def _points(given: Any, what: str) -> Points:
    if not isinstance(given, list) or len(given) < 3:
        count = len(given) if isinstance(given, list) else 0
        raise Rejected(f"{what}: polygon of {count} points, expected 3 or more")
    for point in given:
        if not isinstance(point, list) or len(point) != 2 or not all(_number(value) for value in point):
            raise Rejected(f"{what}: point {str(point)[:40]}, expected [x, y]")
    return tuple((float(x), float(y)) for x, y in given)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _apart(box: Sequence[float], points: Points) -> float:
    """Return the largest distance in pixels between a side of the box and the polygon's own box."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    edges = (min(xs), min(ys), max(xs), max(ys))
    return max(abs(one - two) for one, two in zip(box, edges))
