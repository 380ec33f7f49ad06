"""Models tested on other cohorts: what is predicted and scored there, and which cohorts are refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
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
from tests.helpers.trial_command import train


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


def test_models_are_tested_on_images_of_another_trial_and_never_on_their_own(tmp_path: Path) -> None:
    inputs = write_trial_inputs(tmp_path / "in", films=16, test=8, pool=8)
    changes = {"validation_share": 0.4, "validation_patients": 1, "budget": {"steps": 2}}
    shown = ["--images", f"made={inputs[2]}", "--images-trial", 1]
    plain = pq.read_table(io.BytesIO(train(tmp_path, inputs, "classification", "real", (), (), (0,), **changes)))
    both = pq.read_table(io.BytesIO(train(tmp_path, inputs, "classification", "real", shown, (), (0,), **changes)))
    assert both.slice(0, len(plain)).equals(plain)
    images = both.slice(len(plain)).to_pandas()
    # The pool holds f1000 to f1007 of trial 0, and f1008 to f1015 of trial 1: these, in the order of their positions.
    assert images["image_id"].tolist() == [f"f{number}" for number in range(1008, 1016)]
    assert set(images["split"]) == {"images"} and set(images["dataset"]) == {"made"}
    assert images["truth"].tolist() == [0, 1] * 4
    for trial in (["--images-trial", 0], []):
        with pytest.raises(InputError, match="expected another trial than 0, whose models may have learned"):
            train(tmp_path, inputs, "classification", "real", [*shown[:2], *trial], (), (0,), **changes)
    with pytest.raises(InputError, match="--images made: expected ARM=FOLDER"):
        train(tmp_path, inputs, "classification", "real", ["--images", "made", *shown[2:]], (), (0,), **changes)


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


OTHER = {"source": "cohort", "cohort": "mimic"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"images": {"rsna": ["orginal"]}}, "trials.images.rsna: .*orginal.*original"),
        ({"images": {"rsan": ["original"]}}, "trials.images: .*rsan.*rsna"),
        ({"images": {"rsna": ["duplicate"]}}, "images.rsna: duplicate: no generator makes its images; write some of original"),
        ({"images": {"rsna": ["dpo"]}}, "trials.images.rsna: dpo: not among study.arms"),
        ({"images": {"rsna": ["few"]}}, "trials.images.rsna: few does not run at fraction 0.01, 1, so it has no images there"),
        ({"images": {"rsna": ["original"]}, "trials": 1}, "trials.images.rsna: study.trials is 1, and no model is tested on"),
        ({"arm": {"source": "cohort"}}, "arms.there: cohort is missing; expected the dataset whose training films"),
        ({"arm": {"source": "duplicate", "cohort": "mimic"}}, "arms.there.cohort: goes with source: cohort alone"),
        ({"arm": {**OTHER, "cohort": "mimc"}}, "arms.there.cohort: .*mimc.*mimic"),
        ({"arm": {**OTHER, "cohort": "rsna"}}, "arms.there.cohort = rsna: the films of rsna itself; name another dataset"),
        ({"arm": OTHER}, r"arms.there.cohort: mimic has no structure pneumothorax \(structures: none\); leave it out"),
        ({"arm": {**OTHER, "cells": {"datasets": ["rsna"]}}, "foundation": ["candid"]}, "cohort: mimic is not of this study"),
        ({"arm": {**OTHER, "mixing": {"kind": "apart"}}}, 'arms.there.mixing.kind = "apart": expected one of .*"alone"'),
    ],
)  # fmt: skip
def test_images_and_films_that_cannot_be_had_are_told_before_any_job(given: dict[str, Any], told: str) -> None:
    arms = {"few": {"generator": "controlnet", "cells": {"fractions": [0.1]}}, "there": given.get("arm", OTHER)}
    study = {"arms": ["original", "duplicate", "few", *(["there"] if "arm" in given else [])]}
    study |= {key: given[key] for key in ("trials", "foundation") if key in given}
    with pytest.raises(InputError, match=told):
        load_study(
            [ROOT / "config.yaml"], {"study": study, "arms": arms, "trials": {"images": given.get("images", {})}}
        )


def test_the_images_are_those_of_the_next_trial_at_the_same_fraction() -> None:
    given = {"study": {"arms": ["original", "few"], "trials": 3, "real_fractions": [0.3]}}
    given["arms"] = {"few": {"generator": "controlnet", "filter": "proxy"}}
    study = Study(load_study([ROOT / "config.yaml"], {**given, "trials": {"images": {"rsna": ["original", "few"]}}}))
    real = Cell("rsna", "real", "0.1")
    folders = {arm: f"results/rsna/pools/{arm}/fraction-0.1/shard" for arm in ("original", "few")}
    shards = [f"{arm}={folder}-{shard}" for arm, folder in folders.items() for shard in range(2)]
    assert study.image_shards(real) == shards
    assert study.image_kept(real) == ["few=results/rsna/pools/few/fraction-0.1/kept.parquet"]
    assert {f"{word.partition('=')[2]}/index.parquet" for word in shards} < set(study.trial_sources(real))
    jobs = [SimpleNamespace(dataset="rsna", arm="real", fraction="0.1", trial=str(trial)) for trial in range(3)]
    assert [study.image_trial(job) for job in jobs] == ["1", "2", "0"]
    # Real films alone at a further fraction have no pool beside them; neither has a dataset that is not named.
    for cell in (Cell("rsna", "real", "0.3"), Cell("siim", "real", "0.1")):
        assert study.image_shards(cell) == [] and study.trial_sources(cell) == []
    assert study.transferred() == ["rsna"] and "images" not in study.trial_settings("rsna")


def test_only_datasets_with_other_cohorts_have_a_table_of_them() -> None:
    study = Study(load_study([ROOT / "config.yaml"], {"trials": {"external": {"rsna": ["mimic"], "siim": ["candid"]}}}))
    assert study.external_tables() == ["results/siim/external.csv", "results/rsna/external.csv"]
    assert study.external_cohorts(Cell("rsna", "real", "1")) == ["mimic=results/mimic/cohort"]
    assert "results/mimic/cohort/index.parquet" in study.trial_sources(Cell("rsna", "real", "1"))
    with pytest.raises(InputError, match="trials.external names no cohort for candid"):
        study.external_indices(Cell("candid", "real", "1"))
    assert "external" not in study.trial_settings("rsna")
