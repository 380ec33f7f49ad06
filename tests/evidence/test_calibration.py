"""Calibration: values by hand, against an independent fit, in degenerate cases, and the command with its figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from statsmodels.api import GLM, families

from scripts.lib.evidence.calibration import CALIBRATION, bin_of, calibration, measures_of, reliability, wilson
from scripts.lib.evidence.predicted import Predicted, gather_predictions
from scripts.measure_calibration import main as measure_main
from scripts.plot_calibration import main as plot_main
from tests.helpers.predicted_trials import label_table, mask_table, write_file

SETTINGS = {"draws": 300, "seed": 1}


def made(films: int = 400, slope: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Truth and scores: the true logit is slope * logit(score) + shift."""
    stream = np.random.default_rng(0)
    scores = stream.uniform(0.05, 0.95, films)
    return stream.random(films) < expit(slope * logit(scores) + shift), scores


def predicted(truth: np.ndarray, *scores: np.ndarray, arm: str = "real", multiplier: int = 0) -> Predicted:
    tables = [
        label_table(truth[:, None], one[:, None], trial=trial, arm=arm, multiplier=multiplier)
        for trial, one in enumerate(scores)
    ]
    return gather_predictions(tables)


def test_brier_and_calibration_error_by_hand() -> None:
    truth, scores = np.array([True, False, True, False]), np.array([0.8, 0.3, 0.35, 0.1])
    found = measures_of(truth, scores)
    # squares: .2^2 + .3^2 + .65^2 + .1^2 = .04 + .09 + .4225 + .01 = .5625; / 4 = .140625
    assert found["brier"][0] == pytest.approx(0.140625)
    # bins 8, 3, 3, 1: |.8 - 1| + |(.3 + .35) - 1| + |.1 - 0| = .2 + .35 + .1 = .65; / 4 = .1625
    assert found["ece"][0] == pytest.approx(0.1625)
    assert bin_of(np.array([0.0, 0.1, 0.999, 1.0])).tolist() == [0, 1, 9, 9]


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 0.8), (2.0, -1.0)])
def test_intercept_and_slope_are_those_of_statsmodels(slope: float, shift: float) -> None:
    truth, scores = made(slope=slope, shift=shift)
    x, y = logit(scores), truth.astype(float)
    own = measures_of(truth, scores)
    offset = GLM(y, np.ones((len(y), 1)), families.Binomial(), offset=x).fit().params[0]
    free = GLM(y, np.column_stack([np.ones(len(y)), x]), families.Binomial()).fit().params[1]
    assert own["intercept"][0] == pytest.approx(offset, abs=1e-6)
    assert own["slope"][0] == pytest.approx(free, abs=1e-6)


def test_weights_count_films_as_often_as_they_are_drawn() -> None:
    truth, scores = made(40)
    times = np.random.default_rng(1).integers(0, 4, (40, 3))
    found = measures_of(truth, scores, times)
    for draw in range(3):
        again = measures_of(np.repeat(truth, times[:, draw]), np.repeat(scores, times[:, draw]))
        for name, values in again.items():
            assert found[name][draw] == pytest.approx(values[0], nan_ok=True), name


def test_intervals_hold_what_is_true_of_the_scores_and_say_what_is_not() -> None:
    truth, scores = made(600)
    rows = calibration(predicted(truth, scores, scores), SETTINGS).set_index("measure")
    assert list(rows.reset_index()[CALIBRATION].columns) == CALIBRATION
    assert rows.low["slope"] < 1 < rows.high["slope"] and rows.low["intercept"] < 0 < rows.high["intercept"]
    proud = expit(3 * logit(scores))  # too extreme: the true slope is 1 / 3
    rows = calibration(predicted(truth, proud, proud), SETTINGS).set_index("measure")
    assert rows.high["slope"] < 0.6 and rows.low["slope"] < 1 / 3 < rows.high["slope"]
    assert rows.n_trials["ece"] == 2 and rows.n_films["ece"] == 600 and rows.n_positives["ece"] == truth.sum()


def test_scores_that_separate_the_classes_or_are_alike_have_no_slope() -> None:
    truth = np.arange(40) % 2 == 1
    apart = calibration(predicted(truth, np.where(truth, 0.9, 0.2)), SETTINGS).set_index("measure")
    assert np.isnan(apart.value["slope"]) and "separate the classes" in apart.note["slope"]
    assert apart.value["brier"] == pytest.approx((0.1**2 + 0.2**2) / 2)
    alike = calibration(predicted(truth, np.full(40, 0.4)), SETTINGS).set_index("measure")
    assert np.isnan(alike.value["slope"]) and alike.value["ece"] == pytest.approx(0.1)  # |.4 - .5|
    one = calibration(predicted(np.ones(12, dtype=bool), np.full(12, 0.4)), SETTINGS)
    assert one["value"].isna().all() and set(one["note"]) == {"all 12 films are positive"}


def test_films_whose_label_is_not_known_are_left_out_and_masks_have_no_rows() -> None:
    truth, scores = made(60)
    unknown = truth.astype(float)
    unknown[:20] = np.nan
    rows = calibration(predicted(unknown, scores), SETTINGS)
    assert set(rows["n_films"]) == {40}
    known = measures_of(truth[20:], scores[20:])
    assert rows.set_index("measure").value["brier"] == pytest.approx(known["brier"][0])
    masks = gather_predictions([mask_table([1, 2], [2, 3], [3, 4])])
    assert calibration(masks, SETTINGS).empty and reliability(masks).empty


def test_curves_by_hand() -> None:
    truth, scores = np.array([True, False, True, True]), np.array([0.12, 0.18, 0.95, 1.0])
    rows = reliability(predicted(truth, scores))
    assert rows["bin"].tolist() == [1, 9] and rows["n"].tolist() == [2, 2]
    assert rows["mean_score"].tolist() == pytest.approx([0.15, 0.975]) and rows["share"].tolist() == [0.5, 1.0]
    # Wilson for 1 of 2: middle (.5 + 1.92073 / 2) / (1 + 3.84146 / 2) = 1.460365 / 2.92073 = .5
    low, high = wilson(0.5, 2)
    assert (low + high) / 2 == pytest.approx(0.5) and low == pytest.approx(0.0945, abs=1e-4)


def test_the_commands_write_tables_and_a_figure_of_equal_bytes(tmp_path: Path) -> None:
    truth, scores = made(80)
    for trial in range(2):
        for arm, multiplier, values in (("real", 0, scores), ("original", 2, expit(2 * logit(scores)))):
            about = {"trial": trial, "arm": arm, "multiplier": multiplier}
            write_file(tmp_path, label_table(truth[:, None], values[:, None], **about))
    patterns = [str(tmp_path / f"rsna/trials/{arm}/fraction-0.1/trial-{{}}.parquet") for arm in ("real", "original")]
    entry = {"name": "rsna", "task": "classification", "empty_policy": "exclude", "predictions": patterns}
    statistics = {"calibration_draws": 200}
    config = json.dumps({"datasets": [entry], "trials": 2, "seed": 1, "statistics": statistics})
    for number in "12":
        out, curve = tmp_path / f"{number}.csv", tmp_path / f"curve{number}.csv"
        measure_main(["--config", config, "--out", str(out), "--curve", str(curve)])
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    table = pd.read_csv(tmp_path / "1.csv")
    assert len(table) == 2 * 4 and set(table["label"]) == {"pneumonia"}
    figures = {
        "arm": "original",
        "width_mm": 180,
        "dpi": 60,
        "datasets": [{"name": "rsna", "title": "RSNA", "task": "classification"}],
    }
    outs = [str(tmp_path / f"figure.{kind}") for kind in ("pdf", "png", "svg")]
    plot_main(["--curve", str(tmp_path / "curve1.csv"), "--config", json.dumps(figures), "--out", *outs])
    assert all(Path(out).stat().st_size > 2000 for out in outs)
