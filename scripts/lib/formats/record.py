"""What every reader yields: records, and the listing that holds them with what the tables say beside them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

STRUCTURES = ("lungs", "heart", "pneumothorax", "rib_fracture", "chest_tube", "pneumonia")


class Rejected(Exception):
    """A file or row that cannot be used; the message is its reason in the quarantine table, and the run goes on."""


def reason_of(error: BaseException) -> str:
    """Return an exception of a library as one line for the quarantine table, the same in every run.

    Libraries name objects by their address (`<_io.BytesIO object at 0x7f12>`), which differs from run to run.
    """
    words = re.sub(r"\s*<[^<>]* at 0x[0-9a-fA-F]+>|\s*\bat 0x[0-9a-fA-F]+", "", " ".join(str(error).split()))
    return f"{type(error).__name__}: {words[:200]}".rstrip(": ")


@dataclass(frozen=True, slots=True)
class MaskSource:
    """One annotation, not yet decoded.

    `kind` says how `data` is read: "runs" SIIM run lengths (relative, column-major), "rows" CheXmask run lengths
    (absolute, row-major), "file" the path of a mask image below the root, "boxes" (x, y, width, height) in pixels.
    `where` names table and row for messages; `shape` is the (height, width) the table states, if any.
    """

    structure: str
    kind: str
    data: tuple
    where: str
    base: int = 0
    shape: tuple[int, int] | None = None


@dataclass(slots=True)
class Record:
    """One film as the tables describe it; pixels and masks are decoded later, one film at a time.

    `patient_id` is "" where only the DICOM header knows it; `labels` hold 0, 1 or None; `split` is the dataset's own
    split or None; `annotated` names the structures that somebody looked for in this film, present or not.
    """

    image_id: str
    source_file: str
    patient_id: str = ""
    view: str = ""
    age: float | None = None
    sex: str = ""
    report: str | None = None
    labels: dict[str, int | None] = field(default_factory=dict)
    split: str | None = None
    masks: tuple[MaskSource, ...] = ()
    annotated: tuple[str, ...] = ()
    report_file: str | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One input that was not taken: a row of the quarantine table."""

    source_file: str
    image_id: str
    reason: str
    sha256: str = ""


@dataclass
class Listing:
    """All that a reader found in the tables of a dataset.

    `listed` names every image file of the tables, taken or not (paths below the root); `folders` and `suffixes` say
    where image files lie, to find those that no table lists; `excluded` counts films left out by a rule of the
    configuration; `notes` counts what was normalised or looks odd, in words.
    """

    records: list[Record]
    labels: list[str]
    structures: list[str]
    tables: list[Path]
    listed: set[str] = field(default_factory=set)
    folders: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = (".png", ".jpg", ".jpeg")
    rejected: list[Rejection] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
