"""The predictions of a study's datasets, one dataset at a time, as the settings of `study/worth.py` name them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.predictions import read_predictions
from scripts.lib.downstream.scoring import numbered
from scripts.lib.evidence.predicted import Cell, Predicted, gather_predictions
from scripts.lib.study.tasks import TASKS

FilmCounts = dict[Cell, tuple[float, float]]


def read_dataset(entry: Mapping[str, Any], trials: int) -> tuple[Predicted, FilmCounts]:
    """Return a dataset's predictions, and the real and synthetic films of each cell: means of its trials.

    `entry`: {name, predictions: paths with {} for the number of a trial}. Raises InputError as `gather_predictions`, and for
    predictions of another dataset.
    """
    counts: list[pd.DataFrame] = []

    def tables() -> Iterator[pd.DataFrame]:
        for path in numbered([Path(pattern) for pattern in entry["predictions"]], trials):
            table = read_predictions([path])
            counts.append(table[["fraction", "arm", "multiplier", "trial", "n_real", "n_synthetic"]].drop_duplicates())
            yield table

    predicted = gather_predictions(tables())
    if predicted.dataset != entry["name"]:
        raise InputError(f"predictions of {predicted.dataset}; expected those of {entry['name']}")
    films: FilmCounts = {}
    for (fraction, arm, multiplier), rows in pd.concat(counts).groupby(
        ["fraction", "arm", "multiplier"], observed=True
    ):
        films[str(fraction), str(arm), int(str(multiplier))] = (rows["n_real"].mean(), rows["n_synthetic"].mean())
    return predicted, films


def tested_metrics(predicted: Predicted, statistics: Mapping[str, Any]) -> list[str]:
    """Return the metrics of `statistics.metrics` that a dataset has; the first that it has where they name none."""
    known = TASKS[predicted.task].metrics
    return [name for name in statistics["metrics"] if name in known] or [known[0]]
