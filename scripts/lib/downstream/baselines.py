"""Scores that need no model: predict every film, or every pixel, positive, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.downstream.data import Films, films_to_test
from scripts.lib.downstream.metrics import label_scores, overlap_scores
from scripts.lib.downstream.rows import MetricRow, score_rows

CHUNK = 256  # films whose masks are in memory at a time


def baseline_scores(cohort: Cohort, settings: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return the scores of all_positive and all_negative on the cohort's test films, by metric.

    With prevalence p, all_positive has F1 = 2p / (1 + p); both have AUROC 0.5 and AUPRC p, whatever p is.
    """
    test = films_to_test(cohort, settings)
    return {name: _constant_scores(test, value, settings) for name, value in (("all_positive", 1), ("all_negative", 0))}


def _constant_scores(test: Films, value: int, settings: Mapping[str, Any]) -> dict[str, float | None]:
    if test.labels is not None:
        return label_scores(test.labels, np.full(test.labels.shape, float(value)), [0.5] * test.labels.shape[1])
    chunks = (np.arange(first, min(first + CHUNK, len(test))) for first in range(0, len(test), CHUNK))
    truth = np.concatenate([test.targets(places).sum(axis=(1, 2), dtype=np.int64) for places in chunks]).astype(float)
    pixels = np.full(len(test), float(test.cohort.resolution**2) * value)
    return overlap_scores(truth * value, pixels, truth, settings["empty_policy"])


def baseline_rows(cohort: Cohort, dataset: str, settings: Mapping[str, Any]) -> list[MetricRow]:
    """Return the rows of the table of baselines, one a metric."""
    return [
        row
        for name, scores in baseline_scores(cohort, settings).items()
        for row in score_rows(scores, settings, {"dataset": dataset, "baseline": name})
    ]
