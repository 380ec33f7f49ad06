"""All cells of one trial: the same real films and the same first weights, once for each multiplier."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import set_aside, subset_rows
from scripts.lib.conditions.order import trial_rows
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash, derive_seed
from scripts.lib.core.stop_requests import TERMINATED, stop_requests
from scripts.lib.downstream.data import Films, films_of
from scripts.lib.downstream.metrics import best_threshold, label_scores, overlap_scores
from scripts.lib.downstream.models import Network, build_model
from scripts.lib.downstream.predict import label_probabilities, mask_counts
from scripts.lib.downstream.rows import Row, Setting, score_rows
from scripts.lib.downstream.settings import steps_of
from scripts.lib.downstream.training import Material, Training
from scripts.lib.encoders.weights import weights_digest
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement

Scores = dict[str, float | None]


@dataclass(frozen=True)
class TrialFilms:
    """The films of a trial.

    real        the subset at the trial's fraction
    training    what of it is learned from
    validation  the share of its patients that was set aside, perhaps none: early stopping and thresholds see these alone
    test        the cohort's test split; pool: the arm's synthetic images
    """

    real: Films
    training: Films
    validation: Films
    test: Films
    pool: Cohort | None


def select_films(
    cohort: Cohort, subsets: pd.DataFrame, pool: Cohort | None, setting: Setting, settings: Mapping[str, Any]
) -> TrialFilms:
    """Return the films of a trial; at 1 % of a small dataset too few patients are there to set any aside."""
    task, target = settings["task"], settings["target"]
    real = films_of(cohort, subset_rows(cohort.index, subsets, setting.trial, setting.fraction), task, target)
    test = films_of(cohort, cohort.rows(split="test"), task, target)
    if not len(test):
        raise InputError(f"{cohort.folders[0]}: no test films (split = test); check the split of this dataset")
    if pool is not None and pool.resolution != cohort.resolution:
        raise InputError(
            f"{pool.folders[0]}: images of side {pool.resolution}, but the cohort's have {cohort.resolution}"
        )
    aside = (settings["validation_share"], settings["validation_patients"])
    kept, held = set_aside(cohort.index, real.rows, *aside, setting.seed)
    return TrialFilms(real, real.take(kept), real.take(held), test, pool)


def budget_note(films: TrialFilms, settings: Mapping[str, Any]) -> str:
    """Return what the rows of a trial say when too few patients were set aside to end its training by them."""
    budget = settings["budget"]
    if budget["kind"] == "steps" or len(films.validation):
        return ""
    least = settings["validation_patients"]
    return f"trained {budget['steps']} steps: fewer than {least} patients could be set aside to stop early by"


def run_trial(
    films: TrialFilms,
    multipliers: Iterable[int],
    setting: Setting,
    settings: Mapping[str, Any],
    placement: Placement,
    checkpoints: Path,
    code: str,
) -> list[Row]:
    """Train and test every multiplier of a trial and return its rows; cells that are finished are read back.

    A cell in `checkpoints` counts as finished, or as begun, only for the same settings, code and data. SIGTERM or SIGUSR1
    stores the training at hand, or ends after the scoring at hand: SystemExit(143).
    """
    settings = {**settings, "budget": {**settings["budget"], "steps": steps_of(settings["budget"], setting.fraction)}}
    with stop_requests() as asked:
        return _run_cells(films, multipliers, setting, settings, placement, checkpoints, code, asked)


def _run_cells(
    films: TrialFilms,
    multipliers: Iterable[int],
    setting: Setting,
    settings: Mapping[str, Any],
    placement: Placement,
    checkpoints: Path,
    code: str,
    asked: threading.Event,
) -> list[Row]:
    rows: list[Row] = []
    first_weights = weights_digest(settings["model"]["weights"])
    for multiplier in multipliers:
        if asked.is_set():
            raise SystemExit(TERMINATED)
        made = synthetic_films(films, multiplier, setting, settings)
        digests = [part.digest() for part in (films.real, films.test, *([made] if made else []))]
        key = content_hash(
            code, json.dumps(dict(settings), sort_keys=True), setting, multiplier, first_weights, *digests
        )
        cell = checkpoints / f"multiplier-{multiplier}.json"
        scores = _finished(cell, key)
        if scores is None:
            print(
                f"multiplier {multiplier}: {len(films.real)} real, {len(made or ())} synthetic films", file=sys.stderr
            )
            begun = Checkpoints(checkpoints, key, settings["checkpoint_seconds"])
            scores = _train_cell(films, made, setting, settings, placement, begun, cell.stem, asked)
            with atomic_file(cell) as path:
                path.write_text(json.dumps({"key": key, "scores": scores}))
        common = {"dataset": setting.dataset, "fraction": f"{setting.fraction:g}", "arm": setting.arm}
        common |= {"multiplier": multiplier, "trial": setting.trial, "seed": setting.seed}
        common |= {"n_real": len(films.real), "n_synthetic": len(made or ())}
        noted = budget_note(films, settings)
        for row in score_rows(scores, settings, common):
            rows.append(row | {"note": "; ".join(filter(None, [row["note"], noted]))})
        shown = [f"{name} {value:.3f}" for name, value in scores.items() if value is not None and ":" not in name]
        print(f"multiplier {multiplier}: {', '.join(shown)}", file=sys.stderr)
    return rows


def synthetic_films(films: TrialFilms, multiplier: int, setting: Setting, settings: Mapping[str, Any]) -> Films | None:
    """Return the first multiplier * n_real pool images of this trial, None for multiplier 0."""
    if multiplier == 0 or films.pool is None:
        return None
    rows = trial_rows(films.pool.index, setting.trial, multiplier * len(films.real))
    return films_of(films.pool, rows, settings["task"], settings["target"])


def _finished(path: Path, key: str) -> Scores | None:
    """Return the scores of a cell that is done; None where there are none of this key, and it is then trained anew."""
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text())
        return dict(stored["scores"]) if stored["key"] == key else None
    except (ValueError, KeyError, TypeError) as error:
        print(f"{path}: not the scores of a cell ({error!r}); it is trained anew", file=sys.stderr)
        return None


def _train_cell(
    films: TrialFilms,
    made: Films | None,
    setting: Setting,
    settings: Mapping[str, Any],
    placement: Placement,
    checkpoints: Checkpoints,
    stage: str,
    asked: threading.Event,
) -> Scores:
    labels = 1 if films.real.labels is None else films.real.labels.shape[1]
    model = build_model(settings, labels, films.real.cohort.resolution, derive_seed(setting.seed, "weights"))
    model.to(placement.device, memory_format=torch.channels_last)
    material = Material(films.training, made, films.validation if len(films.validation) else None)
    Training(model, material, settings, placement, setting.seed).run(checkpoints, stage, asked)
    scores = score_model(model, films, settings, placement)
    checkpoints.forget(stage)
    return scores


def score_model(model: Network, films: TrialFilms, settings: Mapping[str, Any], placement: Placement) -> Scores:
    """Return the scores on the test films, by metric; None where the test split holds one class only.

    A threshold is chosen on films that were set aside, never on those that the model has learned by heart.
    """
    if settings["task"] == "segmentation":
        return overlap_scores(*mask_counts(model, films.test, placement), settings["empty_policy"])
    held = films.validation
    thresholds: list[float | None] = [None] * films.test.labels.shape[1]
    if len(held):
        for k, (truth, scores) in enumerate(zip(held.labels.T, label_probabilities(model, held, placement).T)):
            known = ~np.isnan(truth)
            thresholds[k] = best_threshold(truth[known] == 1, scores[known])
    return label_scores(films.test.labels, label_probabilities(model, films.test, placement), thresholds)
