"""Rows of the long tables that trials and baselines write: one a metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.lib.study.tasks import LABELS, MASKS, TASKS, targets_of

NO_POSITIVE = "no test film shows the structure"
NO_NEGATIVE = "every test film shows the structure"
ONE_CLASS = "its test films are all of one class"
NO_THRESHOLD = "no films of both classes were set aside to tune its threshold on (trials.validation_share)"
MetricRow = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Which trial this is: dataset, arm, fraction, number of the trial and its seed (alike in every arm)."""

    dataset: str
    arm: str
    fraction: float
    trial: int
    seed: int


def score_rows(
    scores: Mapping[str, float | None], settings: Mapping[str, Any], common: MetricRow
) -> Iterator[MetricRow]:
    """Yield one row a metric; "f1:0" is named after the label; a score that does not exist is None, an empty field.

    n_labels: how many labels or structures a value is the mean of, None for masks of one structure; the note says which ones are not in it, and why.
    """
    names, says = targets_of(settings), TASKS[settings["task"]].says
    for metric, value in scores.items():
        name, colon, number = metric.partition(":")
        keys = [f"{name}:{k}" for k in range(len(names))] if not colon and f"{name}:0" in scores else [metric]
        one_mask = says == MASKS and len(names) == 1
        lost = [] if one_mask else [key for key in keys if scores[key] is None]
        row = {**common, "task": settings["task"], "value": value, "note": ""}
        row["metric"] = f"{name}:{names[int(number)]}" if colon else name
        row["n_labels"] = None if one_mask else len(keys) - len(lost)
        if one_mask and value is None:
            row["note"] = NO_NEGATIVE if name == "false_positive_share" else NO_POSITIVE
        if lost and says == LABELS:
            row["note"] = _why_lost(lost, len(keys), names, scores)
        elif lost:
            row["note"] = _why_no_structure(name, lost, len(keys), names)
        yield row


def _why_no_structure(metric: str, lost: Sequence[str], count: int, names: Sequence[str]) -> str:
    """Return which structures are not in a mean, and why."""
    lacking = ", ".join(names[int(key.partition(":")[2] or 0)] for key in lost)
    reason = NO_NEGATIVE if metric == "false_positive_share" else NO_POSITIVE
    return f"without {lacking}: {reason}" + (
        f"; mean of {count - len(lost)} of {count} structures" if count > 1 else ""
    )


def _why_lost(lost: Sequence[str], count: int, names: Sequence[str], scores: Mapping[str, float | None]) -> str:
    """Return why labels are not in a mean: no score exists on test films of one class, no threshold without films set aside."""
    untuned = [key for key in lost if key.startswith("f1_tuned") and scores[key.replace("_tuned", "")] is not None]
    reasons = ((ONE_CLASS, [key for key in lost if key not in untuned]), (NO_THRESHOLD, untuned))
    parts = [
        f"without {', '.join(names[int(key.partition(':')[2] or 0)] for key in keys)}: {reason}"
        for reason, keys in reasons
        if keys
    ]
    return "; ".join([*parts, *([f"mean of {count - len(lost)} of {count} labels"] if count > 1 else [])])
