"""No trial is tested on films from which its generator was tuned to preferences."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study import config as study_config

ROOT = Path(__file__).resolve().parents[2]
LEAK = r"^config: feedback.splits.candid = \['train', 'test'\]: arm .* is tested on the test films of candid, .* take test out"


@pytest.fixture
def default() -> dict[str, Any]:
    config = study_config.read_study([study_config.CONFIG_FILE])
    assert config["feedback"]["splits"]["candid"] == ["train", "test"]
    return copy.deepcopy(config)


def test_preferences_do_not_reach_the_trials_of_their_own_test_films(default: dict[str, Any]) -> None:
    default["study"]["arms"] = ["original", "dpo"]
    with pytest.raises(InputError, match=LEAK) as caught:
        study_config.resolve(default)
    assert "\n" not in str(caught.value) and "arms.dpo.cells.datasets" in str(caught.value)
    default["arms"]["dpo"]["cells"] = {"datasets": ["siim", "rsna"]}
    study_config.resolve(default)
    del default["arms"]["dpo"]["cells"]
    default["feedback"]["splits"]["candid"] = ["train"]
    study_config.resolve(default)


@pytest.mark.parametrize("figure", ["figure3", "figure4"])
def test_figures_do_not_either(default: dict[str, Any], figure: str) -> None:
    default["figures"][figure] |= {"dataset": "candid", "arms": ["original", "dpo"]}
    with pytest.raises(InputError, match=rf"arm dpo \(figures.{figure}.arms\) is tested on the test films of candid"):
        study_config.resolve(default)
    default["figures"][figure]["arms"] = ["original"]
    study_config.resolve(default)


def test_an_arm_of_another_name_and_one_tuned_further_are_seen(default: dict[str, Any]) -> None:
    default["arms"]["liked"] = {"generator": "dpo"}
    default["study"]["arms"] = ["liked"]
    with pytest.raises(InputError, match=r"arm liked \(study.arms\)"):
        study_config.resolve(default)
    default["arms"]["liked"]["filter"] = "proxy"
    default["finetune"]["source"] |= {"arm": "liked", "dataset": "chexpert"}
    default["study"]["arms"] = ["proxy-tuned"]
    with pytest.raises(InputError, match=r"arm proxy-tuned \(study.arms\)"):
        study_config.resolve(default)
    default["finetune"]["source"]["arm"] = "proxy-filtered"
    study_config.resolve(default)
