"""What an arm has learned from training films outside of its fraction is said, and films that must not judge are refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study import config as study_config
from scripts.lib.study.exposure import exposure, exposures
from scripts.lib.study.likes import with_likes
from scripts.lib.study.parts import check_part, part_faults

ROOT = Path(__file__).resolve().parents[2]


def study(*overlays: str) -> dict[str, Any]:
    return copy.deepcopy(with_likes(study_config.read_study(ROOT / path for path in ("config.yaml", *overlays))))


@pytest.fixture
def default() -> dict[str, Any]:
    return study()


def test_the_embedded_studies_have_nothing_to_say(default: dict[str, Any]) -> None:
    assert exposures(default) == []
    # tiny runs each control: these two add films or images from outside of the fraction.
    extra, pool = exposures(study("studies/tiny.yaml"))
    assert extra.startswith(
        "rsna, arm extra-real: not limited to 50 % of the training films: it adds other real training films"
    )
    assert (
        pool.startswith("rsna, arm pool: ")
        and "from films that are not known here, perhaps test films among them" in pool
    )


def test_images_from_elsewhere_may_know_test_films_at_any_fraction(default: dict[str, Any]) -> None:
    default["arms"] |= {
        "mine": {"source": "pool", "path": "x"},
        "more": {"source": "extra-real"},
        "back": {"source": "reconstructed"},
    }
    assert exposure(default, "mine", "rsna", 1.0).startswith(
        "not limited to 100 % of the training films: its images were made"
    )
    assert exposure(default, "more", "rsna", 1.0) == "" != exposure(default, "more", "rsna", 0.1)
    # The autoencoder learned from MIMIC's films alone, which are no downstream dataset here.
    assert exposure(default, "back", "rsna", 0.1) == ""
    default["study"]["foundation"] = ["rsna"]
    assert exposure(default, "back", "rsna", 0.1).endswith("the foundation model learned from all of them")


def test_masks_and_reports_of_training_films_that_raters_saw(default: dict[str, Any]) -> None:
    default["feedback"]["splits"]["rsna"] = ["train"]
    told = "not limited to 10 % of the training films: raters tuned its generator on images made from the masks and reports"
    assert exposure(default, "dpo", "rsna", 0.1).startswith(told)
    assert exposure(default, "dpo", "rsna", 1.0) == exposure(default, "original", "rsna", 0.1) == ""
    assert exposure(default, "real", "rsna", 0.1) == exposure(default, "dpo", "siim", 0.1) == ""
    # Figure 4 shows that cell; an arm of another name with the same generator is the same.
    assert exposures(default) == [f"rsna, arm dpo: {exposure(default, 'dpo', 'rsna', 0.1)}"]
    default["arms"]["liked"] = {"generator": "dpo"}
    assert exposure(default, "liked", "rsna", 0.01) != ""
    default["arms"]["dpo"]["cells"] = {"fractions": [1.0]}
    assert exposures(default) == []


def test_an_arm_tuned_on_the_choice_of_another_inherits_what_that_one_saw(default: dict[str, Any]) -> None:
    default["feedback"]["splits"]["chexpert"] = ["train"]
    default["arms"]["liked"] = {"generator": "dpo", "filter": "proxy"}
    assert exposure(default, "proxy-tuned", "chexpert", 0.01) == ""
    default["finetune"]["source"]["arm"] = "liked"
    assert "raters tuned its generator" in exposure(default, "proxy-tuned", "chexpert", 0.01)


def test_masks_that_tuned_the_generator(default: dict[str, Any]) -> None:
    default["finetune"]["source"] |= {"dataset": "siim", "fraction": 0.1}
    told = "its generator was tuned on images made from masks of its trials at 10 %"
    assert exposure(default, "proxy-tuned", "siim", 0.01).endswith(told)
    assert exposure(default, "proxy-tuned", "siim", 0.1).endswith(told)  # other trials have other patients
    default["subsets"]["per_trial"] = False
    assert exposure(default, "proxy-tuned", "siim", 0.1) == ""
    assert exposure(default, "proxy-tuned", "siim", 0.01).endswith(told)
    assert exposure(default, "proxy-tuned", "rsna", 0.01) == ""  # made from words alone


def test_a_foundation_that_learned_from_the_training_films(default: dict[str, Any]) -> None:
    default["study"]["foundation"] = ["candid", "chexpert"]
    assert "the foundation model learned from all of them" in exposure(default, "original", "chexpert", 0.01)
    assert exposure(default, "original", "candid", 0.01) == ""  # it has a split of its own for the generator
    default["base"]["path"] = "roentgen"
    assert exposure(default, "original", "chexpert", 0.01) == ""


def test_the_papers_study_says_whose_labels_its_proxy_is_judged_by() -> None:
    paper = study("studies/paper.yaml")
    assert "labels of all of them" in exposure(paper, "proxy-filtered", "chexpert", 0.01)
    assert exposures(paper) == [
        f"chexpert, arm {arm}: {exposure(paper, arm, 'chexpert', 0.01)}" for arm in ("proxy-filtered", "proxy-tuned")
    ]
    # Beta, rate and weighting come from one place, and nothing ends before the last of the 4,000 steps.
    dpo = paper["dpo"]
    assert (dpo["beta"], dpo["learning_rate"], dpo["weighting"], dpo["steps"]) == (5000.0, 5e-6, "score", 4000)
    assert dpo["patience"] * dpo["monitor_steps"] >= dpo["steps"]


def test_figures_that_a_study_cannot_draw_have_nothing_to_say(default: dict[str, Any]) -> None:
    default["feedback"]["splits"]["rsna"] = ["train"]  # figure 4 shows its arm at rsna
    assert len(exposures(default)) == 1 and exposures(default, ["figure3"]) == exposures(default, []) == []


def test_the_real_films_study_says_what_its_raters_taught() -> None:
    (line,) = [line for line in exposures(study("studies/real-cxr.yaml")) if "arm dpo" in line]
    assert line.startswith("adults, arm dpo: not limited to 20 % of the training films")


@pytest.mark.parametrize(
    ("validation", "complaint"),
    [
        ({"dataset": "mimic", "split": "train"}, "the proxy model that is trained here learns from these films"),
        ({"dataset": "chexpert", "split": "test"}, "trials of chexpert are tested on these films"),
    ],
)
def test_films_that_may_not_judge_the_proxy_are_refused(default, validation, complaint) -> None:
    default["proxy"]["validation"] |= validation
    with pytest.raises(InputError, match=rf"proxy.validation = .*{complaint}") as caught:
        check_part(default, "proxy")
    assert "\n" not in str(caught.value)
    default["proxy"]["validation"] |= {"dataset": "chexpert", "split": "train"}
    assert list(part_faults(default, "proxy")) == []
