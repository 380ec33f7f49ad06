"""Where trainings are counted in passes, more images are more steps: it is said, with the arm that tells the two apart."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from scripts.lib.study import config as study_config
from scripts.lib.study.cells import Cell
from scripts.lib.study.confounder import confounder, confounders, shortcuts
from scripts.lib.study.likes import with_likes
from scripts.lib.study.study import Study
from tests.conftest import ROOT


def study(*overlays: str) -> dict[str, Any]:
    return copy.deepcopy(with_likes(study_config.read_study(ROOT / path for path in ("config.yaml", *overlays))))


@pytest.fixture
def by_epochs() -> dict[str, Any]:
    config = study()
    config["trials"]["budget"]["kind"], config["trials"]["validation_share"] = "epochs", 0.1
    return config


def test_equal_steps_need_no_word(by_epochs: dict[str, Any]) -> None:
    assert confounders(study()) == [] and confounder(study(), "original", "rsna") == ""
    # Nothing is set aside to stop early by, so all cells make the same steps after all.
    by_epochs["trials"]["validation_share"] = 0.0
    assert confounders(by_epochs) == []


def test_passes_are_named_with_the_arm_that_must_stand_beside(by_epochs: dict[str, Any]) -> None:
    by_epochs["study"]["arms"] = ["original"]
    told = confounder(by_epochs, "original", "rsna")
    assert told.startswith("trained by epochs, so more images are also more steps than `real` makes")
    assert told.endswith("put an arm with source: duplicate into study.arms, which repeats the real films as often")
    (line,) = confounders(by_epochs)
    assert line.startswith("candid, siim, rsna, chexpert: trials.budget.kind is epochs")
    by_epochs["study"]["arms"] = ["original", "duplicate"]
    assert confounder(by_epochs, "original", "rsna").endswith(
        "compare with arm duplicate, which repeats the real films as often"
    )
    assert confounder(by_epochs, "duplicate", "rsna") == confounder(by_epochs, "real", "rsna") == ""
    # An arm that runs in two datasets only is beside the others in these two.
    by_epochs["arms"]["duplicate"]["cells"] = {"datasets": ["siim", "rsna"]}
    assert [line.split(":")[0] for line in confounders(by_epochs)] == ["candid, chexpert", "siim, rsna"]


def test_the_note_of_the_rows_holds_both(by_epochs: dict[str, Any]) -> None:
    by_epochs["feedback"]["splits"]["rsna"] = ["train"]
    first, second = Study(by_epochs).note(Cell("rsna", "dpo", "0.1")).split("; ")
    assert first.startswith("not limited to 10 % of the training films") and second.startswith("trained by epochs")
    assert Study(by_epochs).note(Cell("rsna", "real", "0.1")) == ""


def test_the_papers_study_has_its_control() -> None:
    paper = study("studies/paper.yaml")
    assert paper["study"]["arms"] == ["original", "duplicate"]
    assert all("compare with arm duplicate" in line for line in confounders(paper)) and confounders(paper)


def test_multipliers_that_need_more_films_than_there_are_are_left_out_and_named() -> None:
    config = study()
    config["arms"]["more"] = {"source": "extra-real"}
    config["study"]["arms"] = ["original", "more"]
    own = Study(config)
    # 10 % leaves 90 %, nine times as many films; 1 % leaves 99 times as many; 100 % leaves none.
    assert own.multipliers(Cell("rsna", "more", "0.1")) == [2, 5]
    assert own.multipliers(Cell("rsna", "more", "0.01")) == [2, 5, 10, 25]
    assert own.multipliers(Cell("rsna", "more", "1")) == [] and not own.runs(Cell("rsna", "more", "1"))
    at_10, at_100 = confounders(config)
    assert at_10 == (
        "arm more at 10 %: left out: 10x, 25x need more other real training films than 10 % leaves; "
        "the largest multiplier that works is 9"
    )
    assert at_100.startswith("arm more at 100 %: left out: 2x need more") and at_100.endswith("that works is 0")
    told = own.note(Cell("rsna", "more", "0.1"))
    assert told.startswith("not limited to 10 % of the training films: it adds other real training films")
    assert told.endswith("the largest multiplier that works is 9")


def test_a_pool_in_which_every_image_is_diseased_is_told_before_it_is_made() -> None:
    assert shortcuts(study()) == []
    (line,) = shortcuts(study("studies/paper.yaml"))
    assert "rsna (normal_share 0)" in line and "a model may learn what is an image instead" in line
    assert "chexpert" not in line  # each of its images is a negative of four labels
    paper = study("studies/paper.yaml")
    paper["study"]["arms"] = ["duplicate"]
    assert shortcuts(paper) == []
