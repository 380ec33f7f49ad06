"""Defaults follow the study: an overlay of somebody's own films gets no phantom film, and one that names others is refused."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study, stage
from scripts.lib.study.needs import masked_arms, needed_datasets, trains_foundation
from scripts.lib.study.parts import part_faults

MINE = {"root": "/films", "task": "classification", "target": "lung_opacity", "reader": {"table": "films.csv"}}


def own(**changes: Any) -> dict[str, Any]:
    """Return a study of one dataset of somebody's own films."""
    given = {
        "study": {"datasets": ["mine"], "fractions": [0.5, 1.0], "multipliers": {"0.5": [0, 1], "1": [0, 1]}},
        "arms": {"original": {"generator": "base"}},
        "datasets": {"mine": MINE},
    }
    return load_study([CONFIG_FILE], {**given, **changes})


def words(value: Any) -> set[str]:
    """Return all texts of a configuration's part."""
    if isinstance(value, dict):
        return {text for key, inner in value.items() for text in (key, *words(inner))}
    if isinstance(value, list):
        return {text for inner in value for text in words(inner)}
    return {value} if isinstance(value, str) else set()


def test_no_section_of_my_study_names_a_phantom() -> None:
    config = own()
    phantoms = {name for name, section in config["datasets"].items() if section["root"] == "phantom"}
    assert phantoms  # they are described, and used nowhere
    used = {key: part for key, part in config.items() if key not in ("datasets", "arms")}
    assert {key: words(part) & phantoms for key, part in used.items() if words(part) & phantoms} == {}
    assert config["study"]["foundation"] == ["mine"] and config["study"]["generator_dataset"] == "mine"
    assert config["figures"]["figure3"]["fraction"] == 0.5 and config["figures"]["figure3"]["multiplier"] == 1
    # films that the foundation model did not learn from: it has a split of its own
    assert config["proxy"]["validation"]["dataset"] == "mine" and config["proxy"]["validation"]["split"] == "train"
    assert config["feedback"]["splits"] == {"mine": ["train"]}


def test_a_section_may_leave_out_what_follows_from_its_target() -> None:
    section = own()["datasets"]["mine"]
    assert section["format"] == "folder" and section["labels"] == ["lung_opacity"] and section["structures"] == []
    assert section["split"] == {"generator": 0.3, "test": 0.3}
    masks = own(datasets={"mine": {**MINE, "task": "segmentation", "target": "lungs"}}, arms={})["datasets"]["mine"]
    assert masks["structures"] == ["lungs"] and masks["labels"] == []


def test_a_label_without_a_prompt_is_called_by_its_name() -> None:
    assert stage(own(), "conditions", "mine")["prompts"]["lung_opacity"] == "lung opacity"
    said = own(conditions={"prompts": {"lung_opacity": "haze"}})
    assert stage(said, "conditions", "mine")["prompts"]["lung_opacity"] == "haze"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"figures": {"figure4": {"dataset": "siim"}}}, "figures.figure4.dataset = siim"),
        ({"proxy": {"validation": {"dataset": "chexpert"}}}, "proxy.validation.dataset = chexpert"),
        ({"feedback": {"splits": {"rsna": ["train"]}}}, "feedback.splits = rsna"),
        ({"feedback": {"sets": {"mask_dataset": "siim"}}}, "feedback.sets.mask_dataset = siim"),
        ({"finetune": {"source": {"dataset": "rsna"}}}, "finetune.source.dataset = rsna"),
    ],
)
def test_what_an_overlay_itself_says_is_refused(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=f"config: {key}: not a dataset of this study; write one of mine"):
        own(**changes)


def test_studies_of_known_datasets_keep_theirs() -> None:
    plain = load_study([CONFIG_FILE])
    assert plain["study"]["foundation"] == ["mimic"] and plain["figures"]["figure3"]["dataset"] == "chexpert"
    paper = load_study([CONFIG_FILE, ROOT / "studies" / "paper.yaml"])
    assert paper["study"]["foundation"] == ["mimic"] and paper["study"]["generator_dataset"] == "candid"
    one = load_study([CONFIG_FILE], {"study": {"datasets": ["siim"]}})
    assert one["study"]["foundation"] == ["mimic"] and one["figures"]["figure3"]["dataset"] == "siim"


def test_what_the_arms_of_a_study_need() -> None:
    assert needed_datasets(own()) == ["mine"] and masked_arms(own()) == [] and trains_foundation(own())
    plain = load_study([CONFIG_FILE])
    assert needed_datasets(plain) == ["candid", "siim", "rsna", "chexpert", "mimic"]
    assert masked_arms(plain) == ["original", "pretrain"]
    real = load_study([CONFIG_FILE], {"study": {"datasets": ["rsna"], "arms": []}})
    assert needed_datasets(real) == ["rsna"] and not trains_foundation(real)


def test_a_generator_of_texts_cannot_make_images_of_masks() -> None:
    with pytest.raises(
        InputError, match="arms.original.generator = base: makes images of texts alone, but those of siim"
    ):
        load_study([CONFIG_FILE], {"study": {"datasets": ["siim"]}, "arms": {"original": {"generator": "base"}}})
    elsewhere = {"original": {"generator": "base", "cells": {"datasets": ["rsna"]}}}
    load_study([CONFIG_FILE], {"study": {"datasets": ["siim", "rsna"]}, "arms": elsewhere})


def test_a_generator_of_masks_is_refused_where_there_are_none() -> None:
    words = "config: study.arms: the generator of original, pretrain learns from masks, and mine has none"
    with pytest.raises(InputError, match=words):
        own(arms={})
    assert list(part_faults(own(), "figure3"))[0].startswith(
        "config: figures.figure3.arms: the generator of proxy-filtered"
    )
    own(arms={}, datasets={"mine": {**MINE, "structures": ["lungs"]}})
