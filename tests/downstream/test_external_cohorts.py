"""Models tested on other cohorts: what is predicted and scored there, and which cohorts are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from scripts import train_trials
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.predictions import (
    read_predictions,
)
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import load_study
from scripts.lib.study.study import Study
from scripts.score_trials import main
from tests.conftest import ROOT
from tests.helpers.downstream_films import settings_for, write_films, write_trial_inputs


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "cohort"
    write_films(folder, 8, 4)  # the test split: f4 to f7; pneumonia 0 1 0 1
    return folder


def test_the_same_models_on_another_cohort(tmp_path: Path, cohort: Path) -> None:
    inputs = write_trial_inputs(tmp_path / "in", films=16, test=8, pool=8)
    settings = settings_for("classification", validation_share=0.4, validation_patients=1, budget={"steps": 2})
    path = tmp_path / "toy/trials/real/fraction-1/trial-0.parquet"
    argv = ["--cohort", inputs[0], "--subsets", inputs[1], "--config", json.dumps(settings), "--dataset", "toy"]
    argv += ["--arm", "real", "--fraction", 1, "--trial", 0, "--multipliers", 0, "--seed", 1, "--out"]

    def train(out: Path, *more: str) -> pd.DataFrame:
        train_trials.main([str(word) for word in [*argv, out, "--checkpoint-dir", tmp_path / "unfinished", *more]])
        return read_predictions([out])

    rows, alone = train(path, "--external", f"other={cohort}"), train(tmp_path / "alone.parquet")
    pd.testing.assert_frame_equal(
        rows[rows["split"] != "external"].astype(dict.fromkeys(("dataset", "split", "image_id", "patient_id"), str)),
        alone.astype(dict.fromkeys(("dataset", "split", "image_id", "patient_id"), str)),
    )
    assert rows.groupby("split", observed=True)["dataset"].unique().map(list).to_dict() == {
        "test": ["toy"], "tuning": ["toy"], "external": ["other"]
    }  # fmt: skip
    there = rows[rows["split"] == "external"]
    assert there["image_id"].tolist() == ["f4", "f5", "f6", "f7"] and there["truth"].tolist() == [0, 1, 0, 1]
    own = [
        "--predictions",
        str(path).replace("trial-0", "trial-{}"),
        "--trials",
        "1",
        "--dataset",
        "toy",
        "--seed",
        "1",
    ]
    own += ["--config", json.dumps({"task": "classification", "target": "pneumonia"}), "--out", str(tmp_path / "e.csv")]
    main([*own, "--external", f"other={cohort}"])
    table = pd.read_csv(tmp_path / "e.csv")
    assert (
        table.columns[-1] == "tested_on" and set(table["tested_on"]) == {"other"} and set(table["dataset"]) == {"toy"}
    )
    # AUROC by hand: the share of pairs (positive, negative) in which the positive film has the higher score.
    scores = there["score"].to_numpy()
    pairs = [(scores[a] > scores[b]) + (scores[a] == scores[b]) / 2 for a in (1, 3) for b in (0, 2)]
    assert table.set_index("metric").loc["auroc", "value"] == pytest.approx(sum(pairs) / 4)
    with pytest.raises(InputError, match="0 test films of third, its cohort has 4"):
        main([*own, "--external", f"third={cohort}"])
    with pytest.raises(InputError, match="expected NAME=FOLDER, each name once"):
        main([*own, "--external", "other"])


@pytest.mark.parametrize(
    ("external", "told"),
    [
        (
            {"rsna": ["siim"]},
            r"trials.external.rsna: siim has no label pneumonia \(labels: pneumothorax\); leave it out",
        ),
        ({"rsna": ["rsna"]}, "trials.external.rsna: rsna itself; name other cohorts"),
        ({"siim": ["chexpert"]}, r"trials.external.siim: chexpert has no structure pneumothorax \(structures: none\)"),
        ({"rsna": ["mimc"]}, "trials.external.rsna: .*mimc.*mimic"),
        ({"rsan": ["mimic"]}, "trials.external: .*rsan.*rsna"),
    ],
)
def test_a_cohort_that_cannot_be_tested_on_is_told_before_any_job(external: dict[str, list[str]], told: str) -> None:
    with pytest.raises(InputError, match=told):
        load_study([ROOT / "config.yaml"], {"trials": {"external": external}})


def test_only_datasets_with_other_cohorts_have_a_table_of_them() -> None:
    study = Study(load_study([ROOT / "config.yaml"], {"trials": {"external": {"rsna": ["mimic"], "siim": ["candid"]}}}))
    assert study.external_tables() == ["results/siim/external.csv", "results/rsna/external.csv"]
    assert study.external_cohorts(Cell("rsna", "real", "1")) == ["mimic=results/mimic/cohort"]
    assert "results/mimic/cohort/index.parquet" in study.trial_sources(Cell("rsna", "real", "1"))
    with pytest.raises(InputError, match="trials.external names no cohort for candid"):
        study.external_indices(Cell("candid", "real", "1"))
    assert "external" not in study.trial_settings("rsna")
