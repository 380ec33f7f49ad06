"""What every reader yields: records, and the listing that holds them with what the tables say beside them."""

from __future__ import annotations

import re
from bisect import insort
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXAMPLES = 3  # examples kept of each kind of note
STRUCTURES = (
    *("lungs", "heart", "pneumothorax", "rib_fracture", "chest_tube", "pneumonia"),
    *("pleural_effusion", "consolidation", "atelectasis", "cardiomegaly", "nodule", "calcification", "emphysema"),
    *("fibrosis", "pleural_thickening"),
)
# A finding's box: structure, then left, top, right and bottom edge in pixels of the film, from its top left corner.
Box = tuple[str, float, float, float, float]


class Rejected(Exception):
    """A file or row that cannot be used; the message is its reason in the quarantine table, and the run goes on."""


def reason_of(error: BaseException) -> str:
    """Return an exception of a library as one line for the quarantine table, the same in every run.

    Libraries name objects by their address (`<_io.BytesIO object at 0x7f12>`), which differs from run to run.
    """
    words = re.sub(r"\s*<[^<>]* at 0x[0-9a-fA-F]+>|\s*\bat 0x[0-9a-fA-F]+", "", " ".join(str(error).split()))
    return f"{type(error).__name__}: {words[:200]}".rstrip(": ")


class Notes(Counter[str]):
    """What was normalised or looks odd: how often, by kind, and a few examples of each kind.

    A kind is a plural in words ("films turned upright by their EXIF tag"); cohort/notes.py says what a person should do
    about it. `notes[kind] += 1` counts without an example. The examples kept are the first ones in the order of their
    text, so they depend neither on the order of rows nor on the number of processes.
    """

    @property
    def examples(self) -> dict[str, list[str]]:
        """The examples of each kind, made when they are first asked for: most films of a large table have nothing to note."""
        return self.__dict__.setdefault("examples", {})

    def add(self, kind: str, example: str = "", count: int = 1) -> None:
        """Count one more of a kind, with the film, file or word that shows it."""
        self[kind] += count
        self._show(kind, example)

    def take(self, other: Mapping[str, int], place: str = "") -> None:
        """Add all notes of `other`; `place` names the film that they are about."""
        for kind, count in other.items():
            if not count:
                continue
            self[kind] += count
            words = getattr(other, "examples", {}).get(kind, [])
            shown = words if not place else [f"{place}: {', '.join(words)}" if words else place]
            for example in shown:
                self._show(kind, example)

    def _show(self, kind: str, example: str) -> None:
        known = self.examples.setdefault(kind, [])
        if example and example not in known:
            insort(known, example)
            del known[EXAMPLES:]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),), dict(self.__dict__)


@dataclass(frozen=True, slots=True)
class MaskSource:
    """One annotation, not yet decoded.

    `kind` says how `data` is read: "runs" SIIM run lengths (relative, column-major), "rows" CheXmask run lengths
    (absolute, row-major), "file" the path of a mask image below the root, "boxes" (x, y, width, height) in pixels, "polygons"
    outlines, each of points (x, y) in pixels, "coco" lengths of 0 and 1 in turn (column-major).
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

    `patient_id` is "" where only the DICOM header knows it; `labels` hold 0, 1 or None; `side` is "frontal" or
    "lateral" where the tables say so in other words than the view; `split` is the dataset's own
    split or None; `notes` say what was odd about its rows; `annotated` names the structures that somebody looked for in this film,
    present or not. `findings` is the section of that name where `report` is the impression alone (MIMIC). `frame` names the film
    within a source file that holds many (MedMNIST). `boxes` are those of its findings. `ages` keeps the film only where its header's age lies in [least, most] years.
    """

    image_id: str
    source_file: str
    patient_id: str = ""
    view: str = ""
    side: str | None = None
    age: float | None = None
    sex: str = ""
    report: str | None = None
    findings: str | None = None
    labels: dict[str, int | None] = field(default_factory=dict)
    split: str | None = None
    masks: tuple[MaskSource, ...] = ()
    annotated: tuple[str, ...] = ()
    report_file: str | None = None
    where: str = ""
    notes: Notes = field(default_factory=Notes)
    frame: str = ""
    ages: tuple[float, float] | None = None
    boxes: tuple[Box, ...] = ()


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
    configuration; `notes` says what was normalised or looks odd in the tables, beside the notes of each record.
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
    notes: Notes = field(default_factory=Notes)
