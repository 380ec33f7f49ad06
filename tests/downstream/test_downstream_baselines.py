"""The trivial baselines, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.baselines import baseline_rows, baseline_scores
from scripts.lib.downstream.metrics import label_scores
from scripts.score_baselines import main
from tests.helpers.downstream_films import settings_for, write_films


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
    truth = np.zeros((26684, 1))
    truth[:6012] = 1  # p = 0.2253: F1 = 2 * 0.2253 / 1.2253 = 0.3678, above every F1 of the paper on RSNA
    scores = label_scores(truth, np.ones_like(truth), [None])
    assert scores["f1"] == pytest.approx(2 * 6012 / (26684 + 6012))
    assert scores["f1"] == pytest.approx(0.368, abs=5e-4)
    assert scores["auprc"] == pytest.approx(6012 / 26684)


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
    rows = baseline_rows(cohort_of(tmp_path, [0, 0], [0, 0]), "toy", {"task": "multilabel", "target": ["pneumonia"]})
    assert {row["value"] for row in rows} == {None}
    assert {row["baseline"] for row in rows} == {"all_positive", "all_negative"}


def test_the_command_writes_one_row_a_metric(tmp_path: Path) -> None:
    write_films(tmp_path / "cohort", 8, test=4)  # test films 4..7: pneumonia 0 1 0 1, edema 0 0 1 1
    settings = json.dumps(settings_for("multilabel"))
    out = tmp_path / "baselines.csv"
    main(["--cohort", str(tmp_path / "cohort"), "--config", settings, "--dataset", "toy", "--out", str(out)])
    lines = out.read_text().splitlines()
    assert lines[0] == "dataset,task,metric,baseline,value,n_labels,note"
    # p = 1/2 for both labels: F1 = 1 / 1.5 = 2/3
    assert lines[1] == "toy,multilabel,f1,all_positive,0.6666666666666666,2,"
    assert "toy,multilabel,auprc:pneumonia,all_negative,0.5,1," in lines
    assert len(lines) == 1 + 2 * 4 * 3  # two baselines, four metrics, the mean and two labels


def test_no_test_films_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test films"):
        baseline_rows(write_films(tmp_path, 4), "toy", settings_for("classification"))
