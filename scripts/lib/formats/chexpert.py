"""CheXpert: train.csv and valid.csv beside the folders train/ and valid/; labels 1, 0, -1 (uncertain) or blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.formats.labels import label_columns, row_labels, set_person, view_of
from scripts.lib.formats.paths import safe_path
from scripts.lib.formats.record import Listing, Record
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table
from scripts.lib.formats.views import LATERAL, side_of

REQUIRED = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of both tables; train.csv is the training split, valid.csv the test split (the paper's)."""
    listing = Listing([], list(labels), [], tables("chexpert", root, settings))
    folders = []
    for key, split in (("train", "train"), ("valid", "test")):
        if not settings[key]:
            continue
        table = Table(root / settings[key], REQUIRED, settings["encoding"])
        columns = label_columns(table, labels)
        home = Path(settings[key]).parent
        folders.append((home / key).as_posix())
        for row in table.unique("Path"):
            record = _record(row, home, split)
            listing.listed.add(record.source_file)
            if settings["frontal_only"] and (record.side or side_of(record.view)) == LATERAL:
                listing.excluded["lateral"] += 1
                continue
            record.labels = row_labels(row, columns, settings)
            listing.records.append(record)
    listing.folders = tuple(folders)
    return listing


def _record(row: Row, home: Path, split: str) -> Record:
    path = safe_path(row["Path"], f"{row.where} column Path")
    inner = path.split("/", 1)[-1]  # the first folder names the edition (CheXpert-v1.0, -small ...)
    parts = inner.split("/")
    patient = next((part for part in parts if part.startswith("patient")), "")
    # Of 191,027 frontal films of train.csv the column AP/PA calls 17 LL or RL: what Frontal/Lateral says counts.
    side, view = side_of(row["Frontal/Lateral"]), view_of(row["AP/PA"])
    if side == LATERAL and side_of(view) != LATERAL:
        view = "LL"
    record = Record(
        image_id="-".join(parts[1:] if len(parts) > 1 else parts).rsplit(".", 1)[0],
        source_file=(home / inner).as_posix(),
        patient_id=patient or "-".join(parts[:-1]),
        view=view,
        side=side,
        split=split,
        where=row.where,
    )
    set_person(record, row["Age"], row["Sex"])
    return record
