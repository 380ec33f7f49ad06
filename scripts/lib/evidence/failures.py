"""Which test films get worse by the synthetic images: the score of the truth, film by film, beside real films alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.lib.downstream.box_metrics import Matched
from scripts.lib.evidence.differences import ordered_cells
from scripts.lib.evidence.predicted import Cell, Member, Predicted
from scripts.lib.study.arms import REAL
from scripts.lib.study.tasks import BOXES, LABELS

CELL = ["dataset", "task", "fraction", "arm", "multiplier"]
FAILURES = [*CELL, "image_id", "label", "truth", "real", "synthetic", "change", "n_trials", "mean_change", "note"]


def film_scores(predicted: Predicted, member: Member) -> np.ndarray:
    """Return how right one training is on each film and label, (n, L) from 0 to 1, NaN where the truth is not known.

    Labels: the probability of what is true. Masks: Dice; without the structure 1 if nothing is predicted, else 0. Boxes: the
    scores of those that find a true box, the mean over true boxes; without one, how far the highest score is below 1.
    """
    if predicted.says == BOXES:
        return np.column_stack([_film_boxes(matched) for matched in predicted.boxes[member]])
    if predicted.says == LABELS:
        truth, scores = predicted.truth, predicted.scores[member]
        return np.where(np.isnan(truth), np.nan, np.where(truth == 1, scores, 1 - scores))
    overlap, marked = np.moveaxis(predicted.scores[member], 2, 0)
    true = predicted.truth
    dice = 2 * overlap / np.maximum(marked + true, 1)
    return np.where(np.isnan(true), np.nan, np.where(true > 0, dice, (marked == 0).astype(float)))


def _film_boxes(matched: Matched) -> np.ndarray:
    """Return how right one training is on each film about the boxes of one structure, (n,)."""
    count = len(matched.truths)
    found = np.bincount(matched.films, matched.scores * matched.hits[0], count) / np.maximum(matched.truths, 1)
    highest = np.zeros(count)
    np.maximum.at(highest, matched.films, matched.scores)
    return np.where(matched.known, np.where(matched.truths > 0, found, 1 - highest), np.nan)


def failures(predicted: Predicted, arm: str, most: int) -> pd.DataFrame:
    """Return one row (FAILURES) a film and label that got worse: at most `most` of each cell of the arm, the worst first.

    Scores are means over the trials that both have; `mean_change` is that of all films and labels of the cell. A cell in which no
    film got worse has no row.
    """
    rows: list[dict[str, object]] = []
    cells = ordered_cells(predicted)
    for cell in cells:
        real: Cell = (cell[0], REAL, 0)
        if cell[1] != arm or real not in cells:
            continue
        trials = [trial for trial in predicted.trials_of(*cell) if trial in predicted.trials_of(*real)]
        if not trials:
            continue
        before, after = (
            np.mean([film_scores(predicted, Member(*one, t)) for t in trials], axis=0) for one in (real, cell)
        )
        change = after - before
        for film, label in _worst(change, most, predicted.films):
            truth = predicted.truth[film, label]
            about = {"image_id": predicted.films[film], "label": predicted.labels[label], "truth": float(truth)}
            scores = {"real": before[film, label], "synthetic": after[film, label], "change": change[film, label]}
            about_trials: dict[str, object] = {"n_trials": len(trials), "mean_change": float(np.nanmean(change))}
            about_trials["note"] = "one trial: chance of a single training" if len(trials) == 1 else ""
            rows.append(
                {**dict(zip(CELL, (predicted.dataset, predicted.task, *cell))), **about, **scores, **about_trials}
            )
    return pd.DataFrame(rows, columns=FAILURES)


def _worst(change: np.ndarray, most: int, films: np.ndarray) -> list[tuple[int, int]]:
    """Return (film, label) of the largest losses; of equal ones the first identifiers."""
    places = [(film, label) for film, label in zip(*np.nonzero(change < 0))]
    places.sort(key=lambda place: (change[place], str(films[place[0]]), place[1]))
    return [(int(film), int(label)) for film, label in places[:most]]


def shown_cell(table: pd.DataFrame, datasets: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the rows of one cell of each dataset: the one whose films changed for the worse most, on the mean."""
    cells = {}
    for name in datasets:
        of_dataset = table[table["dataset"] == name]
        if of_dataset.empty:
            continue
        worst = of_dataset.iloc[int(of_dataset["mean_change"].to_numpy().argmin())]
        same = (of_dataset["fraction"].astype(str) == str(worst["fraction"])) & (
            of_dataset["multiplier"] == worst["multiplier"]
        )
        cells[name] = of_dataset[same].sort_values("change", kind="stable")
    return cells
