"""CheXmask: lung and heart masks that a model drew for whole datasets, with an estimate of how good each is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.keys import Join
from scripts.lib.formats.record import Listing, MaskSource
from scripts.lib.formats.sources import table_path
from scripts.lib.formats.tables import Row, Table, is_missing, number

QUALITY = "Dice RCA (Mean)"
REQUIRED = (QUALITY, "Left Lung", "Right Lung", "Heart", "Height", "Width")
ID_COLUMNS = ("ImageID", "dicom_id", "image_id", "Path")
STRUCTURES = ("lungs", "heart")
POOR = "films whose lung and heart masks are below min_rca"
ABSENT = "films without lung and heart masks"


def read_masks(root: Path, settings: Mapping[str, Any]) -> Join[tuple[MaskSource, ...] | None]:
    """Return the lung and heart masks by image id, None where the quality is below `min_rca`."""
    table = Table(table_path(root, str(settings["chexmask"])), REQUIRED, settings["encoding"])
    column = next((name for name in ID_COLUMNS if name in table.columns), None)
    if column is None:
        raise InputError(f"{table.path}: no identifier column; expected one of {', '.join(ID_COLUMNS)}")
    masks: Join[tuple[MaskSource, ...] | None] = Join(table.path, column)
    for row in table.unique(column):
        quality = number(row, QUALITY)
        good = quality is not None and quality >= settings["min_rca"]
        masks.add(image_key(row[column]), _sources(row) if good else None)
    return masks


def image_key(text: str) -> str:
    """Return the image id in a CheXmask identifier, which may be a path and may end in .jpg or .png."""
    name = text.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[0] if name.lower().endswith((".jpg", ".png", ".jpeg", ".dcm")) else name


def _sources(row: Row) -> tuple[MaskSource, ...]:
    height, width = number(row, "Height"), number(row, "Width")
    if not height or not width:
        raise InputError(f"{row.where}: Height and Width are {row['Height']!r} and {row['Width']!r}, expected pixels")
    shape = (int(height), int(width))
    named = (("lungs", "Left Lung"), ("lungs", "Right Lung"), ("heart", "Heart"))
    return tuple(
        MaskSource(structure, "rows", (row[column],), f"{row.where} column {column}", shape=shape)
        for structure, column in named
        if not is_missing(row[column])
    )


def add_masks(listing: Listing, masks: Join[tuple[MaskSource, ...] | None], missing: str) -> None:
    """Give every record its lung and heart masks; a film without good ones is kept unannotated or excluded (`missing`)."""
    kept = []
    for record in listing.records:
        name = masks.match(record.image_id)
        good = None if name is None else masks.rows[name]
        if good is None:
            reason = ABSENT if name is None else POOR
            if missing == "exclude":
                listing.excluded[reason] += 1
                continue
            record.notes.add(reason)
        else:
            record.masks += good
            record.annotated += STRUCTURES
        kept.append(record)
    listing.records = kept
    masks.check("lung and heart masks", "chexmask")
