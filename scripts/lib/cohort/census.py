"""Counts of a cohort: images, patients, label values and masks a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def census(
    rows: Sequence[Mapping[str, Any]],
    splits: Sequence[str],
    labels: Sequence[str],
    structures: Sequence[str],
    present: Sequence[int],
) -> dict[str, Any]:
    """Return {"splits": {split: images, patients, labels, annotated, masked}, "warnings": [...]} of the index rows.

    `labels` counts positives, negatives and missing values; `annotated` the films in which a structure was looked for,
    `masked` those in which it was found (`present` is the union of the bits of each film's mask).
    """
    counts: dict[str, Any] = {}
    patients: dict[str, set[str]] = {}
    for row, split, bits in zip(rows, splits, present, strict=True):
        if split not in counts:
            counts[split] = _empty(labels, structures)
            patients[split] = set()
        side = counts[split]
        side["images"] += 1
        patients[split].add(row["patient_id"])
        for label in labels:
            side["labels"][label][{1: "positive", 0: "negative", None: "missing"}[row[label]]] += 1
        for bit, name in enumerate(structures):
            side["annotated"][name] += row["annotated"] >> bit & 1
            side["masked"][name] += bits >> bit & 1
    for split, names in patients.items():
        counts[split]["patients"] = len(names)
    return {"splits": counts, "warnings": _one_sided(counts)}


def _empty(labels: Sequence[str], structures: Sequence[str]) -> dict[str, Any]:
    return {
        "images": 0,
        "patients": 0,
        "labels": {label: {"positive": 0, "negative": 0, "missing": 0} for label in labels},
        "annotated": dict.fromkeys(structures, 0),
        "masked": dict.fromkeys(structures, 0),
    }


def _one_sided(counts: Mapping[str, Any]) -> list[str]:
    warnings = []
    for split, side in sorted(counts.items()):
        for label, values in side["labels"].items():
            kinds = [kind for kind in ("positive", "negative") if values[kind]]
            if len(kinds) < 2:
                only = f"only {kinds[0]} values" if kinds else "no value"
                warnings.append(f"label {label} has {only} in split {split}: its metrics there are n/a")
    return warnings
