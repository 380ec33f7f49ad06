"""The table of masks to make: one row a mask, in an order of which every multiplier is a prefix.

Each trial has rows of its own, by position, as the images have (table.py). A trial asks for what its own films show, each film's
findings and sides in turn: so what goes together, and how often, is what the trial knows and nothing else.

    condition_id  hash of the ask's words
    position, trial, sample
    prompt        the ask in words (mask_prompts.py)
    ask           the same as JSON {structure: side}
    source        the film whose findings these are; the control `shuffled` takes its anatomy
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_prompts import ask_of, ask_text
from scripts.lib.conditions.rows import TRIAL_SAMPLES
from scripts.lib.conditions.subset import choose_subset
from scripts.lib.conditions.table import TableRequest
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash, rng

CHUNK = 256


def build_mask_table(
    cohort: Cohort, ranks: pd.DataFrame, settings: Mapping[str, Any], request: TableRequest
) -> pd.DataFrame:
    """Return the table of one dataset and fraction; `settings` hold validation_share and validation_patients.

    Raises InputError where a trial has no film on which all structures were looked for.
    """
    parts = [_rows(cohort, ranks, settings, request, trial) for trial in range(request.trials)]
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["position", "trial"], kind="stable", ignore_index=True)


def annotated_rows(cohort: Cohort, rows: np.ndarray) -> np.ndarray:
    """Return those rows on whose films all structures were looked for."""
    every = (1 << len(cohort.structures)) - 1
    return rows[cohort.index["annotated"].to_numpy()[rows].astype(np.int64) == every]


def _rows(
    cohort: Cohort, ranks: pd.DataFrame, settings: Mapping[str, Any], request: TableRequest, trial: int
) -> pd.DataFrame:
    subset = choose_subset(cohort, ranks, settings, request.dataset, trial, request.fraction, request.seed)
    rows = annotated_rows(cohort, subset.learned)
    if not len(rows):
        raise InputError(
            f"{request.dataset}, trial {trial} at fraction {request.fraction:g}: none of {len(subset.learned)} films was looked at "
            f"for all of {', '.join(cohort.structures)}; take a larger fraction or fewer structures"
        )
    asks = [ask for k in range(0, len(rows), CHUNK) for ask in _asks(cohort, rows[k : k + CHUNK])]
    count = request.multiplier * len(subset.films)
    stream = rng(request.seed, "masks", request.dataset, f"{request.fraction:g}", trial)
    turns = [stream.permutation(len(rows)) for _ in range(-(-count // len(rows)))]
    chosen = np.concatenate(turns)[:count]
    names = cohort.index["image_id"].astype(str).to_numpy()[rows]
    prompts = [ask_text(ask) for ask in asks]
    table = pd.DataFrame(
        {
            "condition_id": [content_hash("mask", prompts[place]) for place in chosen],
            "position": np.arange(count),
            "trial": trial,
            "prompt": [prompts[place] for place in chosen],
            "ask": [json.dumps(asks[place], sort_keys=True) for place in chosen],
            "source": names[chosen],
        }
    )
    table["sample"] = trial * TRIAL_SAMPLES + table.groupby("condition_id", sort=False).cumcount()
    return table


def _asks(cohort: Cohort, rows: np.ndarray) -> list[dict[str, str]]:
    return [ask_of(field, cohort.structures) for field in cohort.masks(rows)]
