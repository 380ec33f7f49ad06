"""Scores by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.downstream.metrics import auprc, auroc, best_threshold, f1, label_scores, overlap_scores
from scripts.lib.downstream.rows import score_rows

T, F = True, False


def test_f1_by_hand() -> None:
    # TP 1, FP 1, FN 2: 2 / (2 + 1 + 2) = 0.4
    assert f1(np.array([T, T, T, F]), np.array([T, F, F, T])) == 0.4
    assert f1(np.array([F, F]), np.array([F, F])) == 0.0


def test_ranking_by_hand() -> None:
    truth, scores = np.array([T, F, T, F]), np.array([0.9, 0.8, 0.4, 0.1])
    assert auroc(truth, scores) == 0.75  # of 4 pairs, 0.4 > 0.8 alone is wrong
    assert auprc(truth, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)  # recall 1/2 at precision 1, 1 at 2/3
    assert auroc(truth, np.full(4, 0.3)) == 0.5
    assert auprc(truth, np.full(4, 0.3)) == 0.5  # the prevalence


def test_the_best_threshold_lies_between_two_scores() -> None:
    truth, scores = np.array([T, F, T, F, F]), np.array([0.9, 0.7, 0.6, 0.2, 0.1])
    # F1 at the top 1, 2, 3, 4: 2/3, 2/4, 4/5, 4/6: the best is above the middle of 0.6 and 0.2
    assert best_threshold(truth, scores) == pytest.approx(0.4)
    assert best_threshold(np.array([T, T]), np.array([0.5, 0.6])) is None
    assert best_threshold(np.array([], dtype=bool), np.array([])) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=40))
def test_as_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    from sklearn import metrics

    truth = np.array([truth for truth, _ in pairs])
    scores = np.array([score for _, score in pairs]) / 8
    assert f1(truth, scores > 0.5) == pytest.approx(metrics.f1_score(truth, scores > 0.5, zero_division=0))
    if truth.any() and not truth.all():
        assert auroc(truth, scores) == pytest.approx(metrics.roc_auc_score(truth, scores))
        assert auprc(truth, scores) == pytest.approx(metrics.average_precision_score(truth, scores))
        tuned = f1(truth, scores > best_threshold(truth, scores))
        assert tuned == pytest.approx(max(f1(truth, scores >= cut) for cut in set(scores)))


def test_macro_scores_leave_out_what_one_class_cannot_score() -> None:
    truth = np.array([[1, 0], [0, 0], [1, np.nan]])
    scores = np.array([[0.9, 0.1], [0.6, 0.2], [0.4, 0.9]])
    found = label_scores(truth, scores, [0.65, None])
    # label 0: at 0.5 TP 1, FP 1, FN 1: 0.5; at 0.65 TP 1, FN 1: 2/3; label 1 has no positive film: no score, not 0
    assert found["f1:0"] == found["f1"] == 0.5
    assert found["f1_tuned:0"] == found["f1_tuned"] == pytest.approx(2 / 3)
    assert found["auroc:0"] == 0.5
    assert [found[name] for name in ("f1:1", "f1_tuned:1", "auroc:1", "auprc:1")] == [None] * 4
    assert set(label_scores(truth[:, 1:], scores[:, 1:], [None]).values()) == {None}
    assert ":" not in "".join(label_scores(truth[:, :1], scores[:, :1], [None]))


def test_a_label_without_test_positives_leaves_the_mean_and_the_row_says_so() -> None:
    from sklearn.metrics import f1_score

    # F1 by label: TP 1, FN 1: 2/3; TP 1, FP 1: 2/3; no positive film, one called positive: scikit-learn counts 0.
    truth = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]])
    scores = np.array([[0.9, 0.9, 0.1], [0.2, 0.8, 0.2], [0.1, 0.1, 0.9], [0.3, 0.2, 0.3]])
    found = label_scores(truth, scores, [0.5] * 3)
    assert found["f1"] == pytest.approx(2 / 3)
    assert f1_score(truth, scores > 0.5, average="macro", zero_division=0) == pytest.approx(4 / 9)
    settings = {"task": "multilabel", "target": ["edema", "pneumonia", "nodule"]}
    rows = {row["metric"]: row for row in score_rows(found, settings, {"dataset": "toy"})}
    told = "without nodule: its test films are all of one class"
    for name in ("f1", "f1_tuned", "auroc", "auprc"):
        assert rows[name]["n_labels"] == 2 and rows[name]["note"] == told + "; mean of 2 of 3 labels"
        assert rows[f"{name}:edema"]["n_labels"] == 1 and rows[f"{name}:edema"]["note"] == ""
        assert rows[f"{name}:nodule"] == {
            "dataset": "toy",
            "task": "multilabel",
            "metric": f"{name}:nodule",
            "value": None,
            "n_labels": 0,
            "note": told,
        }


def test_rows_of_one_label_and_of_masks() -> None:
    about = {"task": "classification", "target": "edema"}
    (row, *_) = score_rows({"f1": 0.5}, about, {})
    assert (row["metric"], row["n_labels"], row["note"]) == ("f1", 1, "")
    (row, *_) = score_rows({"f1": None}, about, {})
    assert (row["n_labels"], row["note"]) == (0, "without edema: its test films are all of one class")
    (row, *_) = score_rows({"dice": None}, {"task": "segmentation", "target": "lungs"}, {})
    assert (row["n_labels"], row["note"]) == (None, "no test film shows the structure")
    (row, *_) = score_rows({"false_positive_share": None}, {"task": "segmentation", "target": "lungs"}, {})
    assert row["note"] == "every test film shows the structure"


def test_without_a_threshold_there_is_no_tuned_score_and_the_row_says_why() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0]])
    scores = np.array([[0.9, 0.9, 0.1], [0.4, 0.3, 0.2], [0.1, 0.1, 0.9], [0.2, 0.2, 0.3]])
    found = label_scores(truth, scores, [0.3, None, 0.3])
    # At 0.3 label 0 has TP 2 and no error: 1. Label 1 has no threshold, label 2 no positive film.
    assert (found["f1_tuned"], found["f1_tuned:0"], found["f1_tuned:1"]) == (1.0, 1.0, None)
    settings = {"task": "multilabel", "target": ["edema", "pneumonia", "nodule"]}
    rows = {row["metric"]: row for row in score_rows(found, settings, {})}
    untuned = "no films of both classes were set aside to tune its threshold on (trials.validation_share)"
    assert rows["f1_tuned"]["note"] == (
        f"without nodule: its test films are all of one class; without pneumonia: {untuned}; mean of 1 of 3 labels"
    )
    assert rows["f1_tuned:pneumonia"]["note"] == f"without pneumonia: {untuned}" and rows["f1"]["n_labels"] == 2


# film 0: overlap 2 of 4 and 4: Dice 4/8, IoU 2/6; film 1: empty, nothing predicted; film 2: empty, 3 predicted
BY_POLICY = {
    "exclude": (0.5, 1 / 3),
    "kaggle": ((0.5 + 1 + 0) / 3, (1 / 3 + 1 + 0) / 3),
    "zero": (0.5 / 3, 1 / 9),
}


@pytest.mark.parametrize("policy", list(BY_POLICY))
def test_every_policy_for_empty_masks_is_written_and_one_is_the_headline(policy: str) -> None:
    overlap, predicted, truth = np.array([2.0, 0, 0]), np.array([4.0, 0, 3]), np.array([4.0, 0, 0])
    found = overlap_scores(overlap, predicted, truth, policy)
    wanted = {f"{name}_{one}": values[k] for one, values in BY_POLICY.items() for k, name in enumerate(("dice", "iou"))}
    wanted |= {"dice": BY_POLICY[policy][0], "iou": BY_POLICY[policy][1], "false_positive_share": 1 / 2}
    assert found == pytest.approx(wanted)


def test_overlap_has_no_score_without_films_and_no_unknown_policy() -> None:
    zero = np.zeros(2)
    found = overlap_scores(zero, zero, zero, "exclude")
    assert (found["dice"], found["iou"], found["dice_exclude"]) == (None, None, None)
    assert (found["dice_kaggle"], found["dice_zero"], found["false_positive_share"]) == (1.0, 0.0, 0.0)
    assert overlap_scores(zero, zero, zero + 4, "exclude")["false_positive_share"] is None
    with pytest.raises(ValueError, match="expected one of exclude, kaggle, zero"):
        overlap_scores(zero, zero, zero, "skip")
