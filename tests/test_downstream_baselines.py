"""The trivial baselines, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.lib.cohort.store import Cohort, CohortWriter
from scripts.lib.downstream.baselines import baseline_rows, baseline_scores


def cohort_of(folder: Path, labels: list[int], masks: list[int]) -> Cohort:
    """Test films of 4x4 pixels, with a label and the number of mask pixels each."""
    with CohortWriter(folder, 4, ["pneumothorax"], ["pneumonia"], {"dataset": "toy"}) as writer:
        for number, (label, pixels) in enumerate(zip(labels, masks)):
            mask = np.zeros(16, np.uint8)
            mask[:pixels] = 1
            row = {"image_id": str(number), "patient_id": str(number), "split": "test", "pneumonia": label}
            writer.add(np.zeros((4, 4), np.uint8), mask.reshape(4, 4), row)
    return Cohort.open(folder)


def test_all_positive_has_the_f1_of_the_prevalence(tmp_path: Path) -> None:
    scores = baseline_scores(
        cohort_of(tmp_path, [1, 0, 0, 0], [0] * 4), {"task": "classification", "target": "pneumonia"}
    )
    # p = 1/4: F1 = 2p / (1 + p) = 0.5 / 1.25 = 0.4; constant scores rank nothing: AUROC 0.5, average precision p
    assert scores["all_positive"] == {"f1": 0.4, "f1_tuned": 0.4, "auroc": 0.5, "auprc": 0.25}
    assert scores["all_negative"]["f1"] == 0.0
    assert scores["all_negative"]["auroc"] == 0.5


def test_the_number_of_the_rsna_challenge() -> None:
    p = 6012 / 26684
    assert 2 * p / (1 + p) == pytest.approx(0.368, abs=5e-4)


@pytest.mark.parametrize(
    # films with 4, 8 and 0 of 16 mask pixels; everything called positive: Dice 2*4/(16+4) = 0.4, 2*8/(16+8) = 2/3
    ("policy", "positive", "negative"),
    [("exclude", (0.4 + 2 / 3) / 2, 0.0), ("kaggle", (0.4 + 2 / 3) / 3, 1 / 3), ("zero", (0.4 + 2 / 3) / 3, 0.0)],
)
def test_dice_of_everything_and_nothing(tmp_path: Path, policy: str, positive: float, negative: float) -> None:
    settings = {"task": "segmentation", "target": "pneumothorax", "empty_policy": policy}
    scores = baseline_scores(cohort_of(tmp_path, [1, 1, 0], [4, 8, 0]), settings)
    assert scores["all_positive"]["dice"] == pytest.approx(positive)
    assert scores["all_negative"]["dice"] == pytest.approx(negative)


def test_one_class_in_the_test_split_is_not_available(tmp_path: Path) -> None:
    rows = baseline_rows(
        cohort_of(tmp_path, [0, 0], [0, 0]), "toy", {"task": "multilabel", "target": ["pneumonia"]}
    )
    assert {row["value"] for row in rows} == {None}
    assert {row["baseline"] for row in rows} == {"all_positive", "all_negative"}
