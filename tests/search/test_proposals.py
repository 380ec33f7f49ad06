"""A proposal is trained and scored, a diverged one is a score too, and the sweep holds pools of one mixture against films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import sweep_sampling, train_class_ldm, train_proposal
from scripts.lib.cohort.learned import read_learned
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.chosen import Chosen
from scripts.lib.fidelity.sweep import requests_like
from scripts.lib.generators.conditional.folder import open_model
from scripts.lib.plotting.search import draw_search
from scripts.lib.plotting.sweep import draw_sweep
from scripts.lib.search.rounds import FAIL, Score
from scripts.lib.search.tables import history
from tests.helpers.class_models import LABEL, MODEL, train, write_films
from tests.helpers.diffusion_models import PLACE, SAMPLING

RATE = "class_ldm.unet.learning_rate"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("search")
    write_films(root / "films", [1, 0, 0, 1, 0, 1], others=["validate"] * 44 + ["test"] * 44)
    train(root, "model")
    return root


def score(world: Path, name: str, rate: float) -> dict[str, Any]:
    proposal = world / f"{name}.json"
    proposal.write_text(json.dumps({"number": 3, "round": 0, "values": {RATE: rate}}))
    search = {"steps": 2, "images": 40, "nearest": 3, "batch_size": 16}
    config = json.dumps({"class_ldm": MODEL, "sampling": {**SAMPLING, **PLACE}, "search": search})
    call = ["--proposal", str(proposal), "--autoencoder", str(world / "coder"), "--cohort", str(world / "films")]
    call += ["--target", LABEL, "--config", config, "--seed", "3", "--checkpoint-dir", str(world / "c" / name)]
    train_proposal.main([*call, "--out", str(world / f"{name}-score.json")])
    return json.loads((world / f"{name}-score.json").read_text())


def test_a_proposal_has_one_score_whenever_it_is_trained(world: Path):
    first = score(world, "first", 1e-3)
    assert first["state"] == "complete" and first["values"] == {RATE: 1e-3} and np.isfinite(first["score"])
    assert score(world, "second", 1e-3) == first and score(world, "third", 5e-2)["score"] != first["score"]
    assert not (world / "c" / "first").exists()


def test_a_training_that_diverges_is_a_score_with_its_reason(world: Path):
    failed = score(world, "wild", 1e30)
    assert failed["state"] == FAIL and failed["score"] is None and "the loss is" in failed["note"]


def test_too_few_films_to_score_stop_the_search(world: Path, tmp_path: Path):
    write_films(tmp_path / "films", [1, 0, 0, 1], others=["validate"] * 3)
    train(tmp_path, "model")
    with pytest.raises(InputError, match="3 films of split validate, expected at least 40"):
        score(tmp_path, "few", 1e-3)


def test_what_a_search_found_best_takes_the_place_of_the_settings(world: Path):
    (world / "best.json").write_text(json.dumps({"values": {"class_ldm.diffusion.prediction": "v_prediction"}}))
    call = ["--autoencoder", str(world / "coder"), "--cohort", str(world / "films"), "--target", LABEL, "--seed", "3"]
    call += ["--config", json.dumps(MODEL), "--best", str(world / "best.json"), "--checkpoint-dir", str(world / "d")]
    train_class_ldm.main([*call, "--out", str(world / "found")])
    assert open_model(world / "found")[0]["schedule"]["prediction_type"] == "v_prediction"
    assert open_model(world / "model")[0]["schedule"]["prediction_type"] == "epsilon"
    # The films that the search scored on chose; they and those of the autoencoder stand in the list.
    learned, plain = read_learned(world / "found"), read_learned(world / "model")
    assert learned is not None and plain is not None and set(plain["role"]) == {"class-ldm"}
    chose = learned[learned["role"] == "search"]
    index = Cohort.open(world / "films").index
    assert set(chose["image_id"]) == set(index["image_id"][index["split"] == "validate"]) and len(chose) >= 40
    assert learned[learned["role"] != "search"].reset_index(drop=True).equals(plain)


def test_a_sweep_has_a_row_for_each_measure_and_pair(world: Path):
    grid = {"guidance": [1.0, 3.0], "steps": [2, 3], "images": 42, "nearest": 3, "batch_size": 16}
    call = ["--generator", str(world / "model"), "--cohort", str(world / "films"), "--target", LABEL, "--seed", "5"]
    call += ["--splits", "validate", "test", "--sampling", json.dumps(SAMPLING), "--config", json.dumps(grid)]
    sweep_sampling.main([*call, "--out", str(world / "sweep.csv")])
    table = pd.read_csv(world / "sweep.csv")
    kid = table[table["measure"] == "kid"]
    assert len(table) == 4 * 7 and set(kid["n"]) == {42} and set(kid["dataset"]) == {"kids"}
    assert kid[["guidance", "steps"]].to_numpy().tolist() == [[1, 2], [1, 3], [3, 2], [3, 3]]
    assert kid["value"].nunique() == 4 and kid["floor"].nunique() == 1  # one floor, as the films are the same
    assert (kid["low"] < kid["value"]).all() and (kid["value"] < kid["high"]).all()
    lines = draw_sweep(table, {"width_mm": 120}).axes[0].get_legend_handles_labels()[1]
    assert sorted(lines) == ["2 steps", "3 steps", "real against real"]


def test_each_image_has_the_class_of_one_film():
    index = pd.DataFrame({"image_id": ["a", "b", "c"], LABEL: pd.array([1, 0, 1], dtype="Int8")})
    films = Chosen(index, np.zeros(3, int), np.arange(3), np.arange(3))
    asked = requests_like(films, ["normal", LABEL])
    assert [request.labels for request in asked] == [{LABEL: 1}, {LABEL: 0}, {LABEL: 1}]
    assert len({request.name for request in asked}) == 3 and asked[0].condition_id == asked[2].condition_id
    index[LABEL] = pd.array([1, None, 0], dtype="Int8")
    with pytest.raises(InputError, match="film b: no class"):
        requests_like(films, ["normal", LABEL])


def test_the_figure_of_a_search_shows_failures_and_says_where_nothing_is_known():
    values = {RATE: 1e-3}
    scores = [
        Score(0, 0, values, "complete", 0.5),
        Score(1, 0, values, FAIL, None, "nan"),
        Score(2, 1, values, "complete", 0.2),
    ]
    shares = pd.DataFrame({"key": [RATE], "importance": [np.nan], "note": ["3 scores, fewer than the 8"]})
    figure = draw_search(history(scores), shares, {"width_mm": 180})
    names = figure.axes[0].get_legend_handles_labels()[1]
    assert names == ["round 0", "round 1", "best so far", "defaults", "failed"]
    assert (
        "fewer than the 8" in figure.axes[1].texts[-1].get_text()
        or "fewer than the 8" in figure.axes[1].texts[0].get_text()
    )
