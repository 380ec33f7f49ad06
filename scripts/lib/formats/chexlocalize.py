"""CheXlocalize: masks of ten findings on the validation and test films of CheXpert, as COCO run lengths in one JSON a split.

A film is named patient64541_study1_view1_frontal and lies at {images}/patient64541/study1/view1_frontal.jpg. Every film was read for
all ten findings; one without any has no entry, or entries whose masks are empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.formats.labels import check_labels
from scripts.lib.formats.paths import safe_name
from scripts.lib.formats.record import STRUCTURES, Listing, MaskSource, Record, Rejected, Rejection
from scripts.lib.formats.rle import coco_counts
from scripts.lib.formats.sources import tables

CLASSES = (
    *("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Lesion", "Airspace Opacity", "Edema", "Consolidation"),
    *("Atelectasis", "Pneumothorax", "Pleural Effusion", "Support Devices"),
)
ALIASES = {"Lung Opacity": "Airspace Opacity"}
SPLITS = {"val": "validate", "test": "test"}
RENAMED = "findings under their other name (Lung Opacity for Airspace Opacity), taken as the same"


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of both files; `groups` names the findings of each structure, and a label is whether one has a mask.

    Raises InputError for a file of another form, an unknown finding and a film's name of another form.
    """
    groups = _groups(settings["groups"])
    check_labels("chexlocalize", labels, list(groups))
    listing = Listing([], list(labels), list(groups), tables("chexlocalize", root, settings))
    listing.folders = tuple(settings[f"{key}_images"] for key in SPLITS if settings[key])
    for key, split in SPLITS.items():
        if not settings[key]:
            continue
        path = root / settings[key]
        for name, masks in read_json(path, "CheXlocalize's masks by film").items():
            where = f"{path} film {name}"
            source = _source(name, settings[f"{key}_images"], where)
            listing.listed.add(source)
            try:
                record = _record(name, source, masks, where, groups, listing)
            except Rejected as reason:
                listing.rejected.append(Rejection(source, name, str(reason)))
                continue
            shown = {mask.structure for mask in record.masks}
            record.labels = {label: int(label in shown) for label in labels}
            record.split = split
            listing.records.append(record)
    return listing


def _groups(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {}
    for name, classes in given.items():
        if name not in STRUCTURES:
            raise InputError(f"reader.groups: {name!r} is no structure; expected some of {', '.join(STRUCTURES)}")
        groups[name] = tuple(
            _class(one, f"reader.groups.{name}") for one in ([classes] if isinstance(classes, str) else classes)
        )
    return groups


def _class(name: str, where: str) -> str:
    known = ALIASES.get(name, name)
    if known not in CLASSES:
        near = get_close_matches(name, (*CLASSES, *ALIASES), n=1)
        raise InputError(
            f"{where}: finding {name!r} is none of CheXlocalize's{f', did you mean {near[0]!r}?' if near else ''}; expected one "
            f"of {', '.join(CLASSES)}"
        )
    return known


def _source(name: str, images: str, where: str) -> str:
    parts = safe_name(name, where).split("_", 2)
    if len(parts) != 3 or not parts[0].startswith("patient") or not parts[1].startswith("study"):
        raise InputError(f"{where}: expected a name such as patient64541_study1_view1_frontal")
    return f"{images}/{'/'.join(parts)}.jpg"


def _record(
    name: str, source: str, masks: Any, where: str, groups: Mapping[str, tuple[str, ...]], listing: Listing
) -> Record:
    """Return a film with the masks of its groups; raises Rejected for run lengths that cannot be read."""
    if not isinstance(masks, dict):
        raise InputError(f"{where}: expected an object of findings, got {str(masks)[:60]}")
    side = "lateral" if name.endswith("lateral") else "frontal"
    record = Record(name, source, name.split("_", 1)[0], side=side, annotated=tuple(groups), where=where)
    given: dict[str, Any] = {}
    for runs, mask in masks.items():
        given[_class(runs, where)] = mask
        if runs in ALIASES:
            listing.notes.add(RENAMED)
    for structure, classes in groups.items():
        for one in classes:
            if one in given:
                record.masks += _mask(structure, given[one], f"{where} finding {one}")
    return record


def _mask(structure: str, given: Any, where: str) -> tuple[MaskSource, ...]:
    size: Any = given.get("size") if isinstance(given, dict) else None
    whole = isinstance(size, list) and len(size) == 2 and all(type(one) is int and one > 0 for one in size)
    if not whole or not isinstance(given.get("counts"), str):
        raise InputError(f"{where}: {str(given)[:60]}, expected size [height, width] and counts")
    runs = coco_counts(given["counts"], size[0] * size[1])
    if not sum(runs[1::2]):
        return ()
    return (MaskSource(structure, "coco", (tuple(runs),), where, shape=(size[0], size[1])),)
