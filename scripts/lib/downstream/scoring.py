"""From the predictions of trials to the rows of their long table: thresholds and metrics, no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import read_index
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import trial_seed
from scripts.lib.downstream.box_metrics import Matched, box_scores, match
from scripts.lib.downstream.metrics import best_thresholds, label_scores, overlap_scores
from scripts.lib.downstream.predictions import AGAIN, EXTERNAL, MASKS, TEST, TUNING, Predictions, open_predictions
from scripts.lib.downstream.rows import MetricRow, score_rows
from scripts.lib.study import tasks
from scripts.lib.study.tasks import TASKS, targets_of

Scores = dict[str, float | None]


def tested_films(folder: Path) -> list[str]:
    """Return the image_id of a cohort's test films, in order."""
    index = read_index(folder, ["image_id", "split"])
    return index.loc[index["split"] == TEST, "image_id"].astype(str).tolist()


def numbered(patterns: Sequence[Path], count: int) -> list[Path]:
    """Return each path once for each number from 0 to `count` - 1, in the place of its {}."""
    return [Path(str(pattern).replace("{}", str(number))) for pattern in patterns for number in range(count)]


def score_file(
    path: Path,
    settings: Mapping[str, Any],
    study_seed: int,
    films: Mapping[str, Sequence[str]],
    external: bool = False,
    films_of: str = "",
) -> list[MetricRow]:
    """Return the rows of one trial's file, one a multiplier and metric; with `external` one for each other cohort, too.

    `films`: the test films of each cohort that it must have been tested on; `films_of`: the dataset whose films the trial has, ""
    for its own. Raises InputError, one line, where the file is of
    another trial, another study, other labels or other films.
    """
    made = open_predictions(path)
    _check_trial(path, made, settings, trial_seed(study_seed, films_of or made.dataset, made.trial))
    return [
        row
        for tested_on in films
        for row in score_predictions(made, settings, tested_on, EXTERNAL if external else TEST, films[tested_on], path)
    ]


def score_predictions(
    made: Predictions,
    settings: Mapping[str, Any],
    tested_on: str,
    split: str = TEST,
    films: Sequence[str] | None = None,
    path: Path | None = None,
) -> list[MetricRow]:
    """Return the rows of a trial's models on the films of one cohort; `films` are checked where they are given."""
    where = path or Path(made.place)
    names = targets_of(settings)
    frame = made.table.to_pandas()
    of_split = frame[(frame["split"] == split) & (frame["dataset"] == tested_on)]
    tuning = frame[frame["split"] == TUNING]
    rows: list[MetricRow] = []
    for multiplier, cell in made.cells.items():
        here = of_split[of_split["multiplier"] == multiplier]
        _check_rows(where, here, names, tested_on, films)
        scores = _scores(here, tuning[tuning["multiplier"] == multiplier], settings, len(names))
        common = {name: getattr(made, name) for name in ("dataset", "fraction", "arm", "trial", "seed")}
        common |= {"multiplier": multiplier, "n_real": cell["n_real"], "n_synthetic": cell["n_synthetic"]}
        if split == EXTERNAL:
            common["tested_on"] = tested_on
        for row in score_rows(scores, settings, common):
            rows.append(row | {"note": "; ".join(filter(None, [row["note"], cell["note"]]))})
    return rows


def _scores(tested: pd.DataFrame, tuning: pd.DataFrame, settings: Mapping[str, Any], count: int) -> Scores:
    """Return the scores by metric. A threshold is chosen on films that were set aside, never on those learned by heart."""
    says = TASKS[settings["task"]].says
    if says == tasks.BOXES:
        return box_scores(matched_rows(tested, count))
    if says == tasks.MASKS:
        overlap, predicted, truth = (_by_label(tested, name, count) for name, _ in MASKS)
        return overlap_scores(overlap, predicted, truth, settings["empty_policy"])
    thresholds = best_thresholds(_by_label(tuning, "truth", count), _by_label(tuning, "score", count))
    return label_scores(_by_label(tested, "truth", count), _by_label(tested, "score", count), thresholds)


def matched_rows(rows: pd.DataFrame, count: int) -> list[Matched]:
    """Return the boxes of each of `count` structures, matched; `rows` of one model, by film and structure."""
    edges = {name: [_edges(one) for one in rows[name]] for name in ("truth", "boxes")}
    scores = [np.asarray(one, dtype=np.float32) for one in rows["score"]]
    return [
        match([one for one in edges["boxes"][k::count] if one is not None], scores[k::count], edges["truth"][k::count])
        for k in range(count)
    ]


def _edges(flat: Any) -> np.ndarray | None:
    """Return the boxes of a cell, float32 (k, 4); None for an empty one."""
    return None if flat is None else np.asarray(flat, dtype=np.float32).reshape(-1, 4)


def _by_label(rows: pd.DataFrame, column: str, count: int) -> np.ndarray:
    """Return a column as float64 (films, labels)."""
    return rows[column].to_numpy(np.float64).reshape(-1, count)


def _check_trial(path: Path, made: Predictions, settings: Mapping[str, Any], seed: int) -> None:
    if not path.as_posix().endswith(made.place):
        raise InputError(f"{path}: holds the predictions of {made.place}; {AGAIN}")
    if made.seed != seed:
        raise InputError(
            f"{path}: seed {made.seed}, but trial {made.trial} of this study has {seed}: a file of another study; {AGAIN}"
        )
    if made.task != settings["task"]:
        raise InputError(f"{path}: task {made.task}, but the dataset's is {settings['task']}; {AGAIN}")


def _check_rows(
    path: Path, rows: pd.DataFrame, names: Sequence[str], tested_on: str, films: Sequence[str] | None
) -> None:
    labels = rows["label"].astype(str).to_numpy()
    if len(labels) % len(names) or not (labels.reshape(-1, len(names)) == names).all():
        example = ", ".join(dict.fromkeys(labels))
        raise InputError(f"{path}: predictions of {example}, expected {', '.join(names)} of every film; {AGAIN}")
    tested = rows["image_id"].astype(str).to_numpy()[:: len(names)].tolist()
    if films is not None and tested != list(films):
        odd = sorted(set(tested) ^ set(films))
        example = f"for example {odd[0]}" if odd else "in another order"
        raise InputError(
            f"{path}: {len(tested)} test films of {tested_on}, its cohort has {len(films)}, not the same ones ({example}); {AGAIN}"
        )
    if not tested:
        raise InputError(f"{path}: no test film of {tested_on}; {AGAIN}")
