"""All cells of one trial: the same real films and the same first weights, once for each multiplier."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import set_aside, subset_rows
from scripts.lib.conditions.order import trial_rows
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import derive_seed
from scripts.lib.core.stop_requests import TERMINATED, stop_requests
from scripts.lib.downstream.added import Stock, control_films, make_stock
from scripts.lib.downstream.data import Films, annotated_alike, check_learnable, films_of, films_to_test, images_to_test
from scripts.lib.downstream.models import Network, build_model
from scripts.lib.downstream.predict import predicted
from scripts.lib.downstream.predictions import (
    EXTERNAL,
    IMAGES,
    TEST,
    TUNING,
    Predictions,
    model_rows,
    read_rows,
    write_rows,
)
from scripts.lib.downstream.rows import Setting
from scripts.lib.downstream.settings import steps_of
from scripts.lib.downstream.training import Material, Training
from scripts.lib.encoders.weights import weights_digest
from scripts.lib.study.arms import ALONE, REAL, SOURCES
from scripts.lib.study.tasks import targets_of
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.identity import resume_identity


@dataclass(frozen=True)
class TrialFilms:
    """The films of a trial.

    real        the subset at the trial's fraction
    training    what of it is learned from
    validation  the share of its patients that was set aside, perhaps none: early stopping and thresholds see these alone
    test        the cohort's test split; pool: the arm's synthetic images
    external    the test split of other cohorts, by name; images: those of another trial that models are tested on, by arm
    stock       of a control, an arm that adds other images than a generator's: what it adds from (added.py); None otherwise
    control     its source, "" for any other arm
    """

    real: Films
    training: Films
    validation: Films
    test: Films
    pool: Cohort | None
    external: dict[str, Films] = field(default_factory=dict)
    images: dict[str, Films] = field(default_factory=dict)
    stock: Stock | None = None
    control: str = ""


def select_films(
    cohort: Cohort,
    subsets: pd.DataFrame,
    pool: Cohort | None,
    setting: Setting,
    settings: Mapping[str, Any],
    others: Mapping[str, Cohort] | None = None,
    control: str = "",
    images: Mapping[str, Cohort] | None = None,
) -> TrialFilms:
    """Return the films of a trial; at 1 % of a small dataset too few patients are there to set any aside.

    `images`: of each arm whose images the models are tested on, what open_pool holds of another trial.
    """
    task, target = settings["task"], settings["target"]
    real = films_of(cohort, subset_rows(cohort.index, subsets, setting.trial, setting.fraction), task, target)
    for other in [*([] if pool is None else [pool]), *(others or {}).values(), *(images or {}).values()]:
        if other.resolution != cohort.resolution:
            raise InputError(
                f"{other.folders[0]}: images of side {other.resolution}, but the cohort's have {cohort.resolution}"
            )
    test, external = (
        films_to_test(cohort, settings),
        {name: films_to_test(each, settings) for name, each in (others or {}).items()},
    )
    aside = (settings["validation_share"], settings["validation_patients"])
    kept, held = set_aside(cohort.index, real.rows, *aside, setting.seed)
    if not learns_alone(setting.arm, settings):
        check_learnable(real.take(kept))
    if pool is not None:
        pool = annotated_alike(pool, cohort)
    made = {arm: images_to_test(annotated_alike(each, cohort), settings) for arm, each in (images or {}).items()}
    stock = make_stock(control, cohort, subsets, real.take(kept), pool, setting, settings)
    return TrialFilms(real, real.take(kept), real.take(held), test, pool, external, made, stock, control)


def learns_alone(arm: str, settings: Mapping[str, Any]) -> bool:
    """Whether trainings of an arm see what it adds and no film of the subset; those of `real` add nothing."""
    return arm != REAL and settings["mixing"]["kind"] == ALONE


def alone_note(films: TrialFilms, setting: Setting, settings: Mapping[str, Any]) -> str:
    """Return what the rows of a trial say that learned from no film of its subset, "" for any other."""
    if not learns_alone(setting.arm, settings):
        return ""
    source = SOURCES[films.control or "generator"]
    if source.repeats:
        return "learned from what the arm makes of the real films alone, not from these beside it"
    learned = f"no real film was learned from, {source.says} alone"
    if source.others or source.cohort:
        learned = f"no film of the subset was learned from, {source.says} alone"
    return f"{learned}; the films set aside are real" if len(films.validation) else learned


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
    note: str = "",
) -> Predictions:
    """Train and test every multiplier of a trial and return its predictions; cells that are finished are read back.

    A cell in `checkpoints` counts as finished, or as begun, only for the same settings, code and data. SIGTERM or SIGUSR1
    stores the training at hand, or ends after the test at hand: SystemExit(143). `note`: what is to be known of the arm.
    """
    settings = {**settings, "budget": {**settings["budget"], "steps": steps_of(settings["budget"], setting.fraction)}}
    noted = "; ".join(filter(None, [budget_note(films, settings), alone_note(films, setting, settings), note]))
    cells, parts = {}, []
    with stop_requests() as asked:
        for multiplier in multipliers:
            if asked.is_set():
                raise SystemExit(TERMINATED)
            made = synthetic_films(films, multiplier, setting, settings)
            if made is not None and learns_alone(setting.arm, settings):
                check_learnable(made)
            cells[multiplier] = {"n_real": len(films.real), "n_synthetic": len(made or ()), "note": noted}
            parts.append(_run_cell(films, made, multiplier, setting, settings, placement, checkpoints, asked))
    about = (setting.dataset, settings["task"], setting.arm, f"{setting.fraction:g}", setting.trial, setting.seed)
    return Predictions(*about, cells, pa.concat_tables(parts))


def _run_cell(
    films: TrialFilms,
    made: Films | None,
    multiplier: int,
    setting: Setting,
    settings: Mapping[str, Any],
    placement: Placement,
    checkpoints: Path,
    asked: threading.Event,
) -> pa.Table:
    tested = tested_films(films, setting)
    digests = [part.digest() for part in (films.real, *(part for *_, part in tested), *([made] if made else []))]
    first_weights = weights_digest(settings["model"]["weights"])
    named = [f"{split} {dataset}" for dataset, split, _ in tested]
    key = resume_identity("train_trials", settings, setting, multiplier, first_weights, *named, *digests)
    cell = checkpoints / f"multiplier-{multiplier}.parquet"
    if (rows := _finished(cell, key)) is None:
        print(f"multiplier {multiplier}: {len(films.real)} real, {len(made or ())} synthetic films", file=sys.stderr)
        begun = Checkpoints(checkpoints, key, settings["checkpoint_seconds"])
        model = _train_cell(films, made, setting, settings, placement, begun, cell.stem, asked)
        rows = pa.concat_tables(
            model_rows(part, settings, dataset, split, multiplier, predicted(model, part, placement))
            for dataset, split, part in tested
        )
        begun.forget(cell.stem)
        write_rows(cell, rows, {"key": key})
    counts = ", ".join(
        f"{len(part)} {'images' if split == IMAGES else f'{split} films'} of {dataset}"
        for dataset, split, part in tested
    )
    print(f"multiplier {multiplier}: predicted {counts}", file=sys.stderr)
    return rows


def tested_films(films: TrialFilms, setting: Setting) -> list[tuple[str, str, Films]]:
    """Return the dataset, split and films of everything that a model is tested on, in the order of the rows; of images the arm."""
    tuning = [(setting.dataset, TUNING, films.validation)] if len(films.validation) else []
    external = [(name, EXTERNAL, part) for name, part in films.external.items()]
    images = [(arm, IMAGES, part) for arm, part in films.images.items()]
    return [(setting.dataset, TEST, films.test), *tuning, *external, *images]


def synthetic_films(films: TrialFilms, multiplier: int, setting: Setting, settings: Mapping[str, Any]) -> Films | None:
    """Return the first multiplier * n_real images that this trial adds, of its pool or control; None for multiplier 0."""
    if multiplier and films.stock is not None:
        return control_films(films.control, films.stock, multiplier * len(films.real))
    if multiplier == 0 or films.pool is None:
        return None
    rows = trial_rows(films.pool.index, setting.trial, multiplier * len(films.real))
    return films_of(films.pool, rows, settings["task"], settings["target"])


def _finished(path: Path, key: str) -> pa.Table | None:
    """Return the rows of a cell that is done; None where there are none of this key, and it is then trained anew."""
    if not path.is_file():
        return None
    try:
        about, rows = read_rows(path, texts=False)
    except InputError as error:
        print(f"{error}", file=sys.stderr)
        return None
    return rows.replace_schema_metadata(None) if about.get("key") == key else None


def _train_cell(
    films: TrialFilms,
    made: Films | None,
    setting: Setting,
    settings: Mapping[str, Any],
    placement: Placement,
    checkpoints: Checkpoints,
    stage: str,
    asked: threading.Event,
) -> Network:
    names = targets_of(settings)
    model = build_model(settings, len(names), films.real.cohort.resolution, derive_seed(setting.seed, "weights"))
    model.to(placement.device).to(memory_format=torch.channels_last)
    material = Material(films.training, made, films.validation if len(films.validation) else None)
    Training(model, material, settings, placement, setting.seed).run(checkpoints, stage, asked)
    return model
