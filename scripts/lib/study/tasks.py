"""The tasks that downstream models learn, one entry each: what a task is about, what its models say, and how they are scored.

Schema, faults, conditions, trials and evidence ask this registry; docs/extending.md says what a new task needs beside it.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.lib.study.tables import BOX_METRICS, LABEL_METRICS, MASK_METRICS

LABELS, MASKS, BOXES = "labels", "masks", "boxes"  # what a model says of a film


@dataclass(frozen=True)
class TrialTask:
    """One task.

    says     what a model says of each film: LABELS, MASKS or BOXES
    targets  how many labels or structures `target` may name: "one", "list", or "any" for one name or a list
    metrics  what its predictions are scored by; the first is the usual one
    family   tasks of one family share a correction where `statistics.family` is task
    """

    name: str
    says: str
    targets: str
    metrics: tuple[str, ...]
    family: str

    @property
    def of_structures(self) -> bool:
        """Whether it is about structures of masks, so that an image without a mask teaches nothing."""
        return self.says != LABELS


TASKS = {
    task.name: task
    for task in (
        TrialTask("classification", LABELS, "one", LABEL_METRICS, "classification"),
        TrialTask("multilabel", LABELS, "list", LABEL_METRICS, "classification"),
        TrialTask("segmentation", MASKS, "any", MASK_METRICS, "segmentation"),
        TrialTask("detection", BOXES, "any", BOX_METRICS, "detection"),
    )
}
METRICS = tuple(dict.fromkeys(name for task in TASKS.values() for name in task.metrics))


def of_structures(section: Mapping[str, Any]) -> bool:
    """Whether a section's task is about structures of masks; one that names no known task is about labels."""
    known = TASKS.get(section.get("task", ""))
    return known is not None and known.of_structures


def targets_of(section: Mapping[str, Any]) -> list[str]:
    """Return the labels or structures that a section's task is about, in order."""
    target = section["target"]
    return [target] if isinstance(target, str) else list(target)


def unusable_kind(section: Mapping[str, Any], kinds: Mapping[str, float]) -> tuple[str, str] | None:
    """Return the kind of images that has a share of `kinds` although the task learns nothing from it, and why; else None."""
    if of_structures(section) and kinds.get("text"):
        return "text", f"an image made without a mask cannot train a {section['task']}"
    if not of_structures(section) and kinds.get("mask"):
        return "mask", "a mask alone carries no disease label"
    return None
