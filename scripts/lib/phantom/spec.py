"""What a phantom film is: its patient, its findings, and what drawing it returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FINDINGS = (
    "atelectasis",
    "cardiomegaly",
    "consolidation",
    "edema",
    "pleural effusion",
    "pneumonia",
    "pneumothorax",
    "rib fracture",
    "chest tube",
)
STRUCTURES = ("lungs", "heart", "pneumothorax", "rib_fracture", "chest_tube")
SIDES = ("left", "right")
ONE_SIDED = frozenset(FINDINGS) - {"cardiomegaly", "edema"}


@dataclass(frozen=True)
class Finding:
    """One finding: `side` is the patient's own (left is on the right of the image), `severity` lies in [0, 1]."""

    name: str
    side: str | None = None
    severity: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in FINDINGS:
            raise ValueError(f"unknown finding {self.name!r}, expected one of {', '.join(FINDINGS)}")
        if (self.side in SIDES) != (self.name in ONE_SIDED):
            raise ValueError(f"finding {self.name!r} with side {self.side!r}: one-sided findings need left or right")

    @property
    def sign(self) -> int:
        """+1 for the patient's left (right half of the image), -1 for the right, 0 without a side."""
        return {"left": 1, "right": -1, None: 0}[self.side]


@dataclass(frozen=True)
class Patient:
    """A person whose build stays the same from film to film; lengths in half image widths, shares in [0, 1]."""

    number: int
    sex: str
    age: int
    lung_width: float
    lung_top: float
    lung_base: float
    apex_power: float
    dome: float
    heart_ratio: float
    heart_tilt: float
    fat: float
    breast: float
    rib_spacing: float
    rib_phase: float
    rib_slope: float
    aorta: float
    shoulder: float
    emphysema: float = 0.0
    thymus: float = 0.0  # of small children, at the upper midline


@dataclass(frozen=True)
class FilmSpec:
    """One film to draw: `study` counts a patient's visits, `view_number` the films of a visit, both from 1."""

    patient: Patient
    findings: tuple[Finding, ...]
    view: str
    study: int
    view_number: int
    split: str
    seed: int

    def finding(self, name: str) -> Finding | None:
        """Return the finding called `name`, or None."""
        return next((finding for finding in self.findings if finding.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the findings, in the order they were planned."""
        return tuple(finding.name for finding in self.findings)


@dataclass
class Film:
    """A drawn film: `image` (size, size) uint8; masks (size, size) bool; boxes (x, y, width, height) in pixels, top left.

    `areas`: where each opacity lies, (size, size) bool, by the name of its finding; one entry a finding that was drawn.
    """

    image: NDArray[np.uint8]
    masks: dict[str, NDArray[np.bool_]]
    lung_sides: dict[str, NDArray[np.bool_]]
    boxes: list[tuple[int, int, int, int]] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    areas: list[tuple[str, NDArray[np.bool_]]] = field(default_factory=list)
