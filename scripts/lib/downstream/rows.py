"""Rows of the long tables that trials and baselines write: one a metric."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.atomic import atomic_file
from scripts.lib.seeds import derive_seed

TRIAL_COLUMNS = (
    *("dataset", "task", "metric", "fraction", "arm", "multiplier"),
    *("trial", "seed", "n_real", "n_synthetic", "value"),
)
BASELINE_COLUMNS = ("dataset", "task", "metric", "baseline", "value")
Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Which trial this is: dataset, arm, fraction, number of the trial and its seed (alike in every arm)."""

    dataset: str
    arm: str
    fraction: float
    trial: int
    seed: int


def trial_seed(study_seed: int, dataset: str, trial: int) -> int:
    """Return the seed of a trial: the same in every arm, fraction and multiplier, another in every trial."""
    return derive_seed(study_seed, "trials", dataset, trial) % 2**31


def score_rows(scores: Mapping[str, float | None], settings: Mapping[str, Any], common: Row) -> Iterator[Row]:
    """Yield one row a metric; "f1:0" is named after the label; a score that does not exist is None, an empty field."""
    target = settings["target"]
    names = [target] if isinstance(target, str) else list(target)
    for metric, value in scores.items():
        name, colon, number = metric.partition(":")
        metric = f"{name}:{names[int(number)]}" if colon else name
        yield {**common, "task": settings["task"], "metric": metric, "value": value}


def write_table(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write rows as CSV, whole or not at all; the same rows give the same bytes."""
    with atomic_file(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
