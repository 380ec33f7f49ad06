"""The transfer table: its numbers by hand from made-up predictions, its intervals, and what rows and columns are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import tabulate_transfer
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import derive_seed, rng
from scripts.lib.downstream.predictions import read_predictions
from scripts.lib.evidence.differences import means
from scripts.lib.evidence.predicted import gather_predictions
from scripts.lib.evidence.resampling import resample
from scripts.lib.evidence.transfer import TRANSFER, largest_multipliers, read_transfer, trivial_scores
from scripts.lib.plotting.transfer import column_order, row_order
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study
from scripts.lib.study.study import Study
from scripts.lib.study.transfer import Transfer
from tests.helpers.predicted_trials import label_table, mask_table, write_file

TESTED = [["test", "rsna", "own films"], ["external", "vindr", "The other one"], ["images", "made", "images of made"]]
SETTINGS: dict[str, Any] = {
    "arms": {"real": "real films", "alone": "images"},
    "tested": TESTED,
    "metrics": ["f1", "auroc"],
    "draws": 400,
    "empty_policy": "exclude",
    "resolution": 4,
}
OWN, OTHER = [1, 1, 0, 0], [1, 0, 0]
Scores = tuple[list[float], list[float], tuple[list[int], list[float]]]


def trial(results: Path, number: int, scores: Scores, **about: Any) -> Path:
    """Write a trial: its scores of own films, of the other cohort, and (truth, scores) of images."""
    own, other, (shown, made) = scores
    parts = [
        _table(OWN, own, number, **about),
        _table(OTHER, other, number, **about).assign(split="external", dataset="vindr"),
        _table(shown, made, number, **about).assign(split="images", dataset="made"),
    ]
    return write_file(results, pd.concat(parts, ignore_index=True))


def _table(truth: list[int], scores: list[float], number: int, **about: Any) -> pd.DataFrame:
    columns = (np.array(values, dtype=float)[:, None] for values in (truth, scores))
    return label_table(*columns, trial=number, seed=7 + number, **about)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    results = tmp_path_factory.mktemp("results")
    first: Scores = ([0.9, 0.4, 0.6, 0.1], [0.9, 0.8, 0.1], ([1, 0], [0.7, 0.2]))
    second: Scores = ([0.9, 0.8, 0.6, 0.1], [0.4, 0.3, 0.8], ([0, 1, 0], [0.9, 0.6, 0.3]))
    alone = {"arm": "alone", "multiplier": 5}
    paths = [trial(results, 0, first), trial(results, 1, second)]
    return [*paths, trial(results, 0, second, **alone), trial(results, 1, second, **alone)]


def command(files: list[Path], out: Path, **changes: Any) -> pd.DataFrame:
    argv = ["--predictions", *dict.fromkeys(str(file).replace("-0.par", "-{}.par").replace("-1.par", "-{}.par") for file in files)]  # fmt: skip
    argv += ["--trials", "2", "--dataset", "rsna", "--config", json.dumps(SETTINGS | changes), "--seed", "1"]
    tabulate_transfer.main([*argv, "--out", str(out)])
    return read_transfer(out)


def test_every_number_by_hand(tmp_path: Path, files: list[Path]) -> None:
    table = command(files, tmp_path / "t.csv")
    assert list(table.columns) == TRANSFER and len(table) == 2 * 3 * 2
    assert (tmp_path / "t.csv").read_text().count("\nrsna,classification,") == 12
    rows = {(row["arm"], row["tested_on"], row["metric"]): row for row in table.to_dict("records")}
    # Own films: above 0.5 lie a positive and a negative, F1 = 2 / (2 + 2); then both positives and a negative, 4 / (2 + 3).
    # Three of four pairs are in order, then all. All positive: 2 * 2 / (2 + 4).
    own = rows["real", "own films", "f1"]
    assert (own["mean"], own["min"], own["max"]) == pytest.approx((0.65, 0.5, 0.8))
    assert own["baseline"] == pytest.approx(2 / 3) and (own["n_tested"], own["n_real"], own["n_synthetic"]) == (
        4,
        10,
        0,
    )
    ranked = rows["real", "own films", "auroc"]
    assert (ranked["mean"], ranked["min"], ranked["baseline"]) == pytest.approx((0.875, 0.75, 0.5))
    # The other cohort: F1 2 / (1 + 2), and nothing is found; all positive 2 / (1 + 3).
    there = rows["real", "The other one", "f1"]
    assert (there["mean"], there["max"], there["baseline"]) == pytest.approx((1 / 3, 2 / 3, 0.5))
    # Images, each trial's own: 2 / (1 + 1) of two, 2 / (1 + 2) of three; all positive 2 / 3 and 2 / 4.
    images = rows["real", "images of made", "f1"]
    assert (images["mean"], images["min"], images["n_tested"]) == pytest.approx((5 / 6, 2 / 3, 2.5))
    assert images["baseline"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    alone = rows["alone", "own films", "f1"]
    assert (alone["trained_on"], alone["multiplier"], alone["n_synthetic"]) == ("images", 5, 50)
    assert "fewer than 5 trials" in own["note"] and "fewer than 30 test films" in own["note"]


def test_intervals_of_own_films_are_those_of_the_study(tmp_path: Path, files: list[Path]) -> None:
    table = command(files, tmp_path / "t.csv").query("tested_on == 'own films'")
    seed = derive_seed(1, "bootstrap", "rsna")
    predicted = gather_predictions(read_predictions([file]) for file in files)
    drawn = resample(predicted, SETTINGS["draws"], rng(seed, "patients"))
    known = means(predicted, drawn, seed).set_index(["arm", "metric"])
    for row in table.to_dict("records"):
        theirs = known.loc[(row["arm"], row["metric"])]
        assert [row[name] for name in ("mean", "low", "high")] == pytest.approx(
            [theirs[name] for name in ("mean", "low", "high")], nan_ok=True
        )


def test_a_trial_that_was_not_tested_there_is_told(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(
        InputError, match="rsna/trials/real/fraction-0.1/trial-0.parquet: no row of split external of mimic"
    ):
        command(files, tmp_path / "t.csv", tested=[["external", "mimic", "MIMIC"]])
    # Where an arm has no images at a fraction its column stays empty.
    assert command(files, tmp_path / "t.csv", tested=[TESTED[0], ["images", "x", "x"]])["tested_on"].nunique() == 1


def test_the_largest_multiplier_is_one_that_most_trials_have() -> None:
    class Made:
        fraction, arm = "0.1", "more"

        def __init__(self, *multipliers: int) -> None:
            self.cells = dict.fromkeys(multipliers)

    assert largest_multipliers([Made(2, 5), Made(2)]) == {("0.1", "more"): 2}
    assert largest_multipliers([Made(2, 5), Made(2, 5)]) == {("0.1", "more"): 5}


def test_one_answer_for_all_masks() -> None:
    # All of 16 pixels, 8 of which are true: Dice 2 * 8 / (16 + 8). No answer for boxes.
    predicted = gather_predictions([mask_table([4, 0], [8, 2], [8, 0])])
    assert trivial_scores(predicted, SETTINGS | {"metrics": ["dice"]}) == pytest.approx({"dice": 2 / 3})


def test_what_is_trained_and_tested_on_in_words() -> None:
    study = Study(load_study([CONFIG_FILE, ROOT / "studies" / "paediatric-phantom.yaml"]))
    settings = Transfer(study).settings(Cell("children", "", ""))
    hospital = "Phantom children of another hospital"
    assert settings["arms"] == {
        "real": "real films",
        "class-ldm": "real films and images",
        "class-ldm-safe": "real films and images",
        "images-alone": "images",
        "other-hospital": f"films of {hospital}",
        "duplicate": "real films and the same films again",
    }
    assert [title for *_, title in settings["tested"]] == ["own films", hospital, "images of class-ldm"]
    assert settings["metrics"] == ["f1", "auroc"] and study.elsewhere_files()[1:] == [
        "results/tables/transfer.csv",
        "results/transfer.pdf",
    ]
    table = pd.DataFrame(settings["arms"].items(), columns=["arm", "trained_on"]).assign(multiplier=5)
    order = ["real", "class-ldm", "class-ldm-safe", "duplicate", "images-alone", "other-hospital"]
    assert [arm for arm, _ in row_order(table[::-1])] == order
    assert column_order(["images of a", hospital, "own films"]) == ["own films", hospital, "images of a"]
