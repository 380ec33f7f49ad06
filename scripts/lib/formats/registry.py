"""Which reader serves which format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import category

from scripts.lib.core.errors import InputError
from scripts.lib.formats import (
    candid,
    chestxdet,
    chexlocalize,
    chexpert,
    folder,
    kermany,
    medmnist,
    mimic,
    rsna,
    siim,
    vindr_cxr,
    vindr_pcxr,
)
from scripts.lib.formats.keys import normal_form
from scripts.lib.formats.patients import name_patients
from scripts.lib.formats.record import STRUCTURES, Listing, Record
from scripts.lib.formats.sources import check_format, reader_settings, where_to_get

Reader = Callable[[Path, Mapping[str, Any], Sequence[str], Sequence[str]], Listing]
READERS: dict[str, Reader] = {
    "chexpert": chexpert.read,
    "candid": candid.read,
    "siim": siim.read,
    "rsna": rsna.read,
    "mimic": mimic.read,
    "medmnist": medmnist.read,
    "kermany": kermany.read,
    "vindr-pcxr": vindr_pcxr.read,
    "chestxdet": chestxdet.read,
    "vindr-cxr": vindr_cxr.read,
    "chexlocalize": chexlocalize.read,
    "folder": folder.read,
}


def list_records(
    format: str,
    root: Path,
    reader: Mapping[str, Any] | None,
    labels: Sequence[str],
    structures: Sequence[str] | None,
) -> Listing:
    """Return the dataset's listing, records sorted by image id, with the structures asked for (None: all there are).

    Raises InputError when a table, a label or a structure is missing, or an image id is there twice.
    """
    check_format(format)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected {where_to_get(format)}")
    settings = reader_settings(format, reader)
    listing = READERS[format](root, settings, labels, structures or [])
    for record in listing.records:
        _check_names(record)
    name_patients(listing, root, settings["patients"], settings["encoding"])
    for name in structures or []:
        if name not in listing.structures:
            have = ", ".join(listing.structures) or "none"
            raise InputError(
                f"structures: {name!r} is not annotated in {root}; this dataset and its reader keys give {have}"
            )
    wanted = listing.structures if structures is None else structures
    listing.structures = [name for name in STRUCTURES if name in wanted]
    listing.records.sort(key=lambda record: record.image_id)
    for one, two in zip(listing.records, listing.records[1:]):
        if one.image_id == two.image_id:
            raise InputError(
                f"{two.where}: image id {two.image_id} is already in {one.where}; identifiers must be unique"
            )
    return listing


def _check_names(record: Record) -> None:
    """Bring a record's identifiers to Unicode's composed form; raises InputError for characters that no name has."""
    record.image_id, record.patient_id = normal_form(record.image_id), normal_form(record.patient_id)
    for what, name in (("image", record.image_id), ("patient", record.patient_id)):
        if not (name.isprintable() if name.isascii() else all(category(sign)[0] != "C" for sign in name)):
            raise InputError(f"{record.where}: {what} id {name!r} holds control characters; expected a plain name")
