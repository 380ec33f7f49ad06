"""Scores that need no model: predict every film, or every pixel, positive, or none; one mean box on every film."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.downstream.box_metrics import box_scores, match
from scripts.lib.downstream.boxes import UNKNOWN, of_kind
from scripts.lib.downstream.data import Films, films_of, films_to_test
from scripts.lib.downstream.metrics import constant_scores
from scripts.lib.downstream.rows import MetricRow, score_rows

MEAN_BOX = "mean_box"
CHUNK = 256  # films whose masks are in memory at a time


def baseline_scores(cohort: Cohort, settings: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return the scores of all_positive and all_negative on the cohort's test films, by metric.

    Of boxes those of mean_box: on every film, for each structure, the mean box of the training films, scored by the share of them
    that show the structure. With prevalence p, all_positive has F1 = 2p / (1 + p); both have AUROC 0.5 and AUPRC p, whatever p is.
    """
    test = films_to_test(cohort, settings)
    if test.outlines is not None:
        return {MEAN_BOX: _mean_box_scores(test, cohort, settings)}
    return {name: _constant_scores(test, value, settings) for name, value in (("all_positive", 1), ("all_negative", 0))}


def _constant_scores(test: Films, value: int, settings: Mapping[str, Any]) -> dict[str, float | None]:
    if test.labels is not None:
        return constant_scores(test.labels, value)
    chunks = (np.arange(first, min(first + CHUNK, len(test))) for first in range(0, len(test), CHUNK))
    counted = []
    for places in chunks:
        masks = test.targets(places)
        pixels = masks.sum(axis=(2, 3), dtype=np.int64).astype(float)
        counted.append(np.where((masks == UNKNOWN).any(axis=(2, 3)), np.nan, pixels))
    return constant_scores(np.concatenate(counted), value, test.cohort.resolution, settings["empty_policy"])


def _mean_box_scores(test: Films, cohort: Cohort, settings: Mapping[str, Any]) -> dict[str, float | None]:
    train = films_of(cohort, cohort.rows(split="train"), settings["task"], settings["target"])
    learned, tested = (part.targets(np.arange(len(part))) for part in (train, test))
    kinds = []
    for kind in range(len(test.structures)):
        seen = [of_film for film in learned if (of_film := of_kind(film, kind)) is not None]
        boxes = np.concatenate([np.empty((0, 4), np.float32), *seen])
        mean_box = boxes.mean(axis=0, keepdims=True) if len(boxes) else boxes
        score = np.full(len(mean_box), np.mean([len(of_film) > 0 for of_film in seen]) if seen else 0.0)
        kinds.append(match([mean_box] * len(test), [score] * len(test), [of_kind(film, kind) for film in tested]))
    return box_scores(kinds)


def baseline_rows(cohort: Cohort, dataset: str, settings: Mapping[str, Any]) -> list[MetricRow]:
    """Return the rows of the table of baselines, one a metric."""
    return [
        row
        for name, scores in baseline_scores(cohort, settings).items()
        for row in score_rows(scores, settings, {"dataset": dataset, "baseline": name})
    ]
