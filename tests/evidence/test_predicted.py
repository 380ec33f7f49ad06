"""Predictions become arrays: films in one order, thresholds from films set aside, and other test splits refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.predicted import Member, gather_predictions
from tests.helpers.predicted_trials import label_table, mask_table

TRUTH = np.array([[1.0], [0.0], [1.0], [0.0]])
SCORES = np.array([[0.9], [0.2], [0.4], [0.6]])
REAL = Member("0.1", "real", 0, 0)


def test_films_patients_and_scores_of_two_trainings() -> None:
    first = label_table(TRUTH, SCORES, ["b", "a", "b", "c"])
    second = label_table(TRUTH, 1 - SCORES, ["b", "a", "b", "c"], arm="original", multiplier=2).iloc[::-1]
    found = gather_predictions([first, second])
    assert found.films.tolist() == [f"film-000{k}" for k in range(4)] and found.labels == ("pneumonia",)
    assert found.patients.tolist() == [1, 0, 1, 2] and found.n_patients == 3
    assert found.scores[REAL].ravel() == pytest.approx([0.9, 0.2, 0.4, 0.6])
    other = Member("0.1", "original", 2, 0)
    assert found.scores[other].ravel() == pytest.approx([0.1, 0.8, 0.6, 0.4])  # a table in another order is put right
    assert found.thresholds == {REAL: [None], other: [None]}
    assert found.trials_of("0.1", "original", 2) == [0] and found.trials_of("1", "original", 2) == []


def test_a_threshold_comes_from_films_set_aside() -> None:
    # .8 and .3 are positive, .1 negative: calling all above (.3 + .1) / 2 = .2 positive has F1 1.
    tuning = (np.array([[1.0], [0.0], [1.0]]), np.array([[0.8], [0.1], [0.3]]))
    found = gather_predictions([label_table(TRUTH, SCORES, tuning=tuning)])
    assert found.thresholds[REAL] == [pytest.approx(0.2)]
    assert len(found.films) == 4


def test_masks_keep_their_pixels_and_external_films_are_left_out() -> None:
    table = mask_table([5, 0], [10, 3], [6, 0])
    outside = table.assign(split="external", dataset="elsewhere")
    found = gather_predictions([pd.concat([table, outside])])
    assert found.says == "masks" and found.dataset == "rsna"
    assert found.scores[REAL].tolist() == [[[5, 10]], [[0, 3]]] and found.truth.tolist() == [[6], [0]]


def _other(**about: object) -> pd.DataFrame:
    return label_table(TRUTH, SCORES, arm="original", multiplier=2, **about)


@pytest.mark.parametrize(
    ("second", "line"),
    [
        (label_table(TRUTH[:3], SCORES[:3], trial=1), r"trial 1.*another test split \(3 and 4 films"),
        (label_table(TRUTH, SCORES, list("aabb"), trial=1), "another test split .*other patients"),
        (label_table(1 - TRUTH, SCORES, trial=1), "another truth of the same films"),
        (label_table(TRUTH, SCORES + 0.5, trial=1), "a score is no number from 0 to 1"),
        (label_table(TRUTH, SCORES), "arm real, fraction 0.1, multiplier 0, trial 0: given twice"),
        (_other(dataset="siim"), "siim.*beside those of rsna"),
        (_other().assign(split="tuning"), "no row of split test"),
        (pd.concat([_other(), _other().head(1)]), "expected one row for each film"),
        (mask_table([1], [1], [1], trial=1).assign(dataset="rsna"), "another test split|expected those of one dataset"),
    ],
)
def test_what_does_not_belong_together_is_one_clear_line(second: pd.DataFrame, line: str) -> None:
    with pytest.raises(InputError, match=line) as fault:
        gather_predictions([label_table(TRUTH, SCORES), second])
    assert "\n" not in str(fault.value)


def test_nothing_to_read_is_refused_and_two_structures_stand_side_by_side() -> None:
    with pytest.raises(InputError, match="no row of split test"):
        gather_predictions([])
    two = mask_table([1, 2], [3, 4], [5, 6]).assign(label=["lungs", "heart"], image_id="film")
    found = gather_predictions([two])
    assert found.labels == ("lungs", "heart") and found.truth.tolist() == [[5, 6]]
    assert found.scores[REAL].tolist() == [[[1, 3], [2, 4]]]
