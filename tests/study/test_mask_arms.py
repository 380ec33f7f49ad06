"""Arms whose images are made from pools of masks: what they are, what teaches them, and where their files lie."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.arm_faults import arm_faults
from scripts.lib.study.arms import MASKS
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study, stage
from scripts.lib.study.firewall import Firewall
from scripts.lib.study.mask_pools import MaskPools
from scripts.lib.study.schema import read_schema
from scripts.lib.study.study import MASK_MODEL, Study

OVERLAY = ROOT / "studies" / "aurad-phantom.yaml"
AURAD, SHUFFLED = Cell("chestxdet", "aurad", "0.1"), Cell("chestxdet", "shuffled", "0.1")
ORIGINAL = Cell("chestxdet", "original", "0.1")


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return load_study([CONFIG_FILE, OVERLAY])


def test_the_schema_names_the_kinds_of_masks() -> None:
    arm = read_schema()["properties"]["arms"]["additionalProperties"]["properties"]
    assert arm["masks"]["enum"] == list(MASKS)


def test_each_arm_samples_from_masks_of_its_own(config: dict[str, Any]) -> None:
    study = Study(config)
    masks = MaskPools(study)
    assert masks.arms == ["aurad", "shuffled", "aurad-filtered"]
    assert (masks.kind(AURAD), masks.kind(SHUFFLED)) == ("generated", "shuffled")
    # two shards at 10 % (sampling.shards), so masks are cut as images are
    assert masks.sources(AURAD) == [f"results/chestxdet/masks/aurad/fraction-0.1/shard-{k}" for k in (0, 1)]
    assert masks.sources(ORIGINAL) == ["results/chestxdet/cohort"]
    assert all(not path.endswith("images.npy") for path in masks.source_files(AURAD))
    # the same generator and no filter, but other masks: pools of their own
    assert len({study.pool(cell) for cell in (AURAD, SHUFFLED, ORIGINAL)}) == 3
    assert len(masks.tables()) == 4  # shuffled and filtered ones at 10 % alone
    with pytest.raises(InputError, match="arm original has no masks of its own; set arms.original.masks"):
        masks.kind(ORIGINAL)


def test_the_mask_generator_is_held_against_test_films(config: dict[str, Any]) -> None:
    firewall = Firewall(Study(config))
    assert MASK_MODEL in firewall.teachers(AURAD)
    assert MASK_MODEL not in firewall.teachers(SHUFFLED) and MASK_MODEL not in firewall.teachers(ORIGINAL)


def test_masks_go_with_a_generator(config: dict[str, Any]) -> None:
    wrong = {**config, "arms": {"twice": {"source": "duplicate", "masks": "generated"}}}
    assert arm_faults(wrong) == [
        "config: arms.twice.masks: goes with source: generator alone, not with duplicate; take it out"
    ]


def test_a_training_does_not_read_how_masks_are_sampled(config: dict[str, Any]) -> None:
    training = stage(config, "train_mask_model")
    assert "sampling" not in training and "measure" not in training and training["steps"] > 0
    sampling = stage(config, "sample_masks", "chestxdet")
    assert set(sampling) == {"sampling", "validation_share", "validation_patients"}
    assert sampling["sampling"]["device"] == "auto"  # of section training


def test_the_full_study_is_whole() -> None:
    full = load_study([CONFIG_FILE, ROOT / "studies" / "aurad.yaml"], {"data": "/data"})
    structures = full["datasets"]["chestxdet"]["structures"]
    assert len(structures) == 8 and full["masks"]["grid"] <= full["study"]["resolution"]
    groups = full["datasets"]["chestxdet"]["reader"]["groups"]
    assert set(groups) == set(structures) - {"lungs", "heart"} == set(full["datasets"]["chestxdet"]["labels"])


def test_all_arms_of_masks_share_a_controlnet_that_is_told_in_words(config: dict[str, Any]) -> None:
    study = Study(config)
    cells = [Cell("chestxdet", arm, "0.1") for arm in study.arms]
    assert {study.generator(cell) for cell in cells} == {"results/generators/controlnet-findings"}
    assert [study.words(cell) for cell in cells] == ["--words"] * 4
    plain = Study(load_study([CONFIG_FILE]))
    assert plain.words(Cell("candid", "original", "0.1")) == ""
