"""Which films teach the judges of images: never those of a test split, and first those of a generator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import CONFIG_FILE, load_study
from scripts.lib.study.exposure import exposure
from scripts.lib.study.firewall import Firewall
from scripts.lib.study.judging import Judging
from scripts.lib.study.study import Study
from scripts.lib.study.teachers import JudgeFilms
from tests.conftest import ROOT

CELL = Cell("rsna", "original", "0.1")


def judging(*overlays: str, **given: Any) -> Judging:
    return Judging(Study(load_study([CONFIG_FILE, *(ROOT / path for path in overlays)], given)))


def test_films_of_generators_teach_first() -> None:
    own = judging()
    assert own.source("candid") == own.source("siim") == JudgeFilms("candid", "generator", "pneumothorax")
    assert own.source("rsna") == own.source("chexpert") == JudgeFilms("mimic", "train")
    assert set(own.sources()) == {"candid-generator-pneumothorax", "mimic-train-labels"}
    assert own.judge(CELL) == "results/judges/mimic-train-labels" and own.shown(CELL) == ["pneumonia"]
    # Without such films the dataset's own training films are left.
    assert judging(study={"foundation": []}, base={"path": "/model"}).source("rsna") == JudgeFilms("rsna", "train")


def test_sources_may_be_named_but_for_films_that_lack_the_label() -> None:
    named = {"rsna": {"dataset": "rsna", "split": "train"}}
    assert judging(faithfulness={"sources": named}).source("rsna") == JudgeFilms("rsna", "train")
    with pytest.raises(InputError, match="faithfulness.sources.rsna: chexpert has no pneumonia; name films with it"):
        judging(faithfulness={"sources": {"rsna": {"dataset": "chexpert", "split": "train"}}}).source("rsna")
    with pytest.raises(InputError, match="split"):
        judging(faithfulness={"sources": {"rsna": {"dataset": "mimic", "split": "test"}}})
    with pytest.raises(InputError, match="nowhere"):
        judging(faithfulness={"sources": {"rsna": {"dataset": "nowhere", "split": "train"}}})


def test_a_judge_is_trained_as_a_trial_but_begins_with_no_weights_of_the_study() -> None:
    labels = judging("studies/paper.yaml").settings(SimpleNamespace(judge="mimic-train-labels"))
    assert labels["task"] == "multilabel" and not labels["model"]["frozen"] and labels["budget"]["kind"] == "steps"
    assert labels["model"]["weights"] in (None, "imagenet") and "mixing" not in labels
    masks = judging().settings(SimpleNamespace(judge="candid-generator-pneumothorax"))
    assert masks["task"] == "segmentation" and masks["budget"]["steps"] == 800
    with pytest.raises(InputError, match="no dataset of this study is judged by it"):
        judging().settings(SimpleNamespace(judge="mine"))


def test_an_arm_whose_judge_chooses_says_what_taught_it() -> None:
    arms = {"true": {"generator": "controlnet", "filter": "faithful"}}
    own = judging(arms=arms)
    cell = Cell("rsna", "true", "0.1")
    assert own.study.kept(cell) == ["results/rsna/pools/true/fraction-0.1/faithful.parquet"]
    assert own.most(cell) == 0 and own.most(CELL) == 10000 and own.dropping(cell) == "--dropped"
    wall = Firewall(own.study)
    assert wall.teachers(cell) == ["results/generators/controlnet", "results/judges/mimic-train-labels"]
    assert wall.datasets(Cell("siim", "true", "1"))[0] == "siim" and "candid" in wall.datasets(
        Cell("siim", "true", "1")
    )
    assert exposure(own.config, "true", "rsna", 0.1) == ""
    mine = judging(arms=arms, faithfulness={"sources": {"rsna": {"dataset": "rsna", "split": "train"}}})
    assert "the judge that says which of its images are kept learned from all" in exposure(
        mine.config, "true", "rsna", 0.1
    )


def test_actions_of_the_gate() -> None:
    dropping = judging(faithfulness={"action": "drop"}).study
    assert dropping.kept(CELL) == ["results/rsna/pools/original/fraction-0.1/faithful.parquet"]
    refusing = judging(faithfulness={"action": "refuse"}, memorisation={"action": "refuse"}).study
    gates = [path.rpartition("/")[2] for path in refusing.trial_sources(CELL) if path.endswith(".txt")]
    assert gates == ["cleared.txt", "faithful.txt"]
    with pytest.raises(InputError, match="memorisation.action and faithfulness.action: both are drop"):
        judging(faithfulness={"action": "drop"}, memorisation={"action": "drop"})
