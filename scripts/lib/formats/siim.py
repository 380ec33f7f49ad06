"""SIIM-ACR pneumothorax: train-rle.csv, whose second column begins with a space, and DICOM files by study and series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.labels import check_labels
from scripts.lib.formats.paths import files_below, safe_name
from scripts.lib.formats.record import Listing, MaskSource, Record
from scripts.lib.formats.rle import filled_runs
from scripts.lib.formats.sources import tables
from scripts.lib.formats.tables import Row, Table


def read(root: Path, settings: Mapping[str, Any], labels: Sequence[str], structures: Sequence[str]) -> Listing:
    """Return the films of the table, only those with a pneumothorax when `positives_only`; patients are in the headers."""
    check_labels("siim", labels, ["pneumothorax"])
    listing = Listing([], list(labels), ["pneumothorax"], tables("siim", root, settings))
    listing.folders, listing.suffixes = (settings["images"],), (".dcm", ".dicom")
    files = _files_by_name(root, settings["images"])
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in Table(root / settings["table"], ("ImageId", "EncodedPixels"), settings["encoding"]):
        rows[safe_name(row["ImageId"], f"{row.where} column ImageId")].append(row)
    for name, lines in rows.items():
        where = lines[0].where
        filled = filled_runs([row["EncodedPixels"] for row in lines], where)
        source = files.get(name, f"{settings['images']}/{name}.dcm")
        listing.listed.add(source)
        if settings["positives_only"] and not filled:
            listing.excluded["without pneumothorax"] += 1
            continue
        masks = (MaskSource("pneumothorax", "runs", filled, where, base=settings["rle_base"]),) if filled else ()
        present: dict[str, int | None] = {label: int(bool(filled)) for label in labels}
        annotated = ("pneumothorax",)
        listing.records.append(Record(name, source, labels=present, masks=masks, annotated=annotated, where=where))
    return listing


def _files_by_name(root: Path, folder: str) -> dict[str, str]:
    """Return {SOPInstanceUID: path below the root}, as files are named by it; raises InputError for a name twice."""
    files: dict[str, str] = {}
    for path in files_below(root, (folder,), (".dcm", ".dicom")):
        name = Path(path).stem
        if name in files:
            raise InputError(f"{root}: {path} and {files[name]} have the same name; keep one of the two")
        files[name] = path
    return files
