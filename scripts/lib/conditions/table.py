"""The table of conditions: one row for each image to make, in an order of which every multiplier is a prefix.

Each trial has rows of its own, by position; multiplier m uses the first m * n_real(t) of trial t. They are made from what
that trial may learn from: its subset without the films that are set aside for validation. Text rows carry one disease
word, mask rows a transformed mask of those films. Trials share no image, so the spread between them holds that of pools.

A trial's way, each step from those before it: subset (its films), sources (their masks), plan (what each image shows), rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import check_classes
from scripts.lib.conditions.mask_sources import read_sources
from scripts.lib.conditions.plan import WITHOUT_MASK, plan_images, plan_kinds
from scripts.lib.conditions.rows import make_rows
from scripts.lib.conditions.subset import Subset, choose_subset
from scripts.lib.core.errors import InputError
from scripts.lib.study.tasks import of_structures, targets_of


@dataclass(frozen=True)
class TableRequest:
    """Which conditions to build: names and numbers of the study."""

    dataset: str
    fraction: float
    multiplier: int
    trials: int
    seed: int


def build_conditions(
    cohort: Cohort, ranks: pd.DataFrame, settings: Mapping[str, Any], request: TableRequest
) -> pd.DataFrame:
    """Return the conditions table (contract in the module's docstring) of one dataset, fraction and arm.

    ranks     the cohort's table of subsets: the rank of each training film in each trial
    settings  task, target, kinds, prompts, normal_share, positive_share, balance, transforms, and what the trials set
              aside: validation_share, validation_patients

    Arms differ by their generator, never by their conditions, so the arm has no part in any random draw; nor have the
    other trials.
    """
    if request.multiplier < 1 or request.trials < 1:
        raise InputError(f"multiplier {request.multiplier}, trials {request.trials}: expected whole numbers from 1")
    trials = range(request.trials)
    targets = _targets(cohort, settings)
    subsets = [
        choose_subset(cohort, ranks, settings, request.dataset, trial, request.fraction, request.seed)
        for trial in trials
    ]
    if settings["task"] == "classification":
        check_classes(cohort.index, ranks, trials, request.fraction, targets[0])
    table = pd.concat([_rows_of(subset, targets, settings, request) for subset in subsets], ignore_index=True)
    return table.sort_values(["position", "trial"], kind="stable", ignore_index=True)


def _rows_of(subset: Subset, targets: list[str], settings: Mapping[str, Any], request: TableRequest) -> pd.DataFrame:
    """Return the rows of one trial."""
    cohort = subset.cohort
    kind = plan_kinds(settings, request.multiplier * len(subset.films))
    sources = None if np.isin(kind, WITHOUT_MASK).all() else read_sources(subset, targets)
    plan = plan_images(subset, sources, kind, targets, settings)
    stream = (request.seed, "conditions", request.dataset, f"{request.fraction:g}", subset.trial)
    return make_rows(plan, sources, settings["transforms"], stream, cohort.labels, cohort.structures)


def _targets(cohort: Cohort, settings: Mapping[str, Any]) -> list[str]:
    """Return the labels (or the structures) that the task is about."""
    targets = targets_of(settings)
    known = cohort.structures if of_structures(settings) else cohort.labels
    for name in targets:
        if name not in known:
            raise InputError(f"target {name!r}: not in this cohort, which has {known}; correct datasets.*.target")
    return targets
