"""Kermany's chest films of children (OCT and chest X-ray set of 2018): folders by split and class, no table.

Editions 1 and 2 name films IM-0115-0001, NORMAL2-IM-0389-0001 and person1_bacteria_1; edition 3 names them
NORMAL-1049278-0001, BACTERIA-30629-0001 and VIRUS-1125438-0001. Nobody has published whether a number means the same
child in the training and the test folder, or in two classes, so a patient is a class, a split and a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.labels import check_labels
from scripts.lib.formats.paths import files_below
from scripts.lib.formats.record import Listing, Record, Rejection
from scripts.lib.formats.sources import tables

SPLITS = {"train": "train", "val": "validate", "test": "test"}  # folder: split of a cohort
CLASSES = {"NORMAL": "normal", "PNEUMONIA": "pneumonia"}
SUBTYPES = {"bacteria": "bacterial_pneumonia", "virus": "viral_pneumonia"}
LABELS = ("pneumonia", *SUBTYPES.values())
SUFFIXES = (".jpeg", ".jpg", ".png")
NORMAL_NAMES = (
    re.compile(r"(?P<number>(?:NORMAL2-)?IM-\d{4})-\d{4}(?:-\d{4})?"),
    re.compile(r"NORMAL-(?P<number>\d+)-\d{4}"),
)
PNEUMONIA_NAMES = (
    re.compile(r"(?P<number>person\d+)_(?P<kind>bacteria|virus)_\d+"),
    re.compile(r"(?P<kind>BACTERIA|VIRUS)-(?P<number>\d+)-\d{4}"),
)
NUMBERS = "films whose patient is known within their split and class only: numbers may mean other children elsewhere"


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of the folders train, val and test; pneumonia is the class, its two kinds are in the names.

    A film whose name has none of the known forms is rejected: its patient and the kind of its pneumonia are unknown.
    Raises InputError where none of the folders of the dataset is there.
    """
    check_labels("kermany", labels, LABELS)
    home = str(settings["images"]).strip("/")
    listing = Listing([], list(labels), [], tables("kermany", root, settings))
    there = [f"{home}/{split}/{name}" for split in SPLITS for name in CLASSES if Path(root, home, split, name).is_dir()]
    if not there:
        raise InputError(
            f"{Path(root, home)}: no folder such as train/NORMAL; expected those of the archive ChestXRay2017, or its folder "
            "in reader.images"
        )
    listing.folders, listing.suffixes = (home,), SUFFIXES
    for path in files_below(root, tuple(there), SUFFIXES):
        listing.listed.add(path)
        record = _record(path, labels)
        if isinstance(record, Record):
            listing.records.append(record)
        else:
            listing.rejected.append(record)
    listing.notes.add(NUMBERS, count=len(listing.records))
    return listing


def is_film(stem: str) -> bool:
    """Whether a file of this name, without its ending, is a film of the set, of either edition and class."""
    return any(form.fullmatch(stem) for form in (*NORMAL_NAMES, *PNEUMONIA_NAMES))


def _record(path: str, labels: Sequence[str]) -> Record | Rejection:
    """Return the film of a path SPLIT/CLASS/NAME, or why its name cannot be used."""
    folder, folder_class, file = path.split("/")[-3:]
    stem, split, kind = file.rsplit(".", 1)[0], SPLITS[folder], CLASSES[folder_class]
    image_id = f"{folder}-{stem}"
    forms = PNEUMONIA_NAMES if kind == "pneumonia" else NORMAL_NAMES
    name = next((match for form in forms if (match := form.fullmatch(stem))), None)
    if name is None:
        return Rejection(path, image_id, f"its name has no form of the class {folder_class}, so its patient is unknown")
    subtype = SUBTYPES.get(name.groupdict().get("kind", "").lower(), "")
    present: dict[str, int | None] = {
        label: int(kind == "pneumonia") if label == "pneumonia" else int(label == subtype) for label in labels
    }
    patient = f"{folder}-{kind}-{name['number']}"
    return Record(image_id, path, patient, view="AP", labels=present, split=split, where=path)
