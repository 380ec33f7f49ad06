"""Which arms, cells and files Figure 5 and Table 2 show."""

from __future__ import annotations

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study, stage
from scripts.lib.study.figure5 import GENERATED, SHUFFLED, VOTED, Figure5
from scripts.lib.study.study import Study

OVERLAY = ROOT / "studies" / "aurad-phantom.yaml"


def test_arms_are_found_by_what_they_are() -> None:
    figure = Figure5(Study(load_study([CONFIG_FILE, OVERLAY])))
    assert [figure.arm(kind) for kind in (GENERATED, SHUFFLED, VOTED)] == ["aurad", "shuffled", "aurad-filtered"]
    assert figure.shown() == Cell("chestxdet", "aurad", "0.1"), "the smallest fraction of the first dataset"


def test_examples_measures_and_trials_lie_where_the_study_puts_them() -> None:
    figure = Figure5(Study(load_study([CONFIG_FILE, OVERLAY])))
    masks = "results/chestxdet/masks/{}/fraction-0.1"
    assert figure.mask_shards() == [f"{masks.format('aurad')}/shard-{k}" for k in (0, 1)]
    assert figure.pool_shards() == [f"results/chestxdet/pools/aurad/fraction-0.1/shard-{k}" for k in (0, 1)]
    assert figure.mask_files() == [f"{masks.format(arm)}/masks.csv" for arm in ("aurad", "shuffled")]
    assert figure.mask_tables()[0] == f"aurad={masks.format('aurad')}/masks.csv"
    assert figure.acceptance() == ["results/chestxdet/pools/aurad-filtered/fraction-0.1/acceptance.csv"]
    assert figure.tables("trials") == ["results/chestxdet/trials.csv", "results/chestxdet-boxes/trials.csv"]
    assert "results/chestxdet/cohort/boxes.parquet" in figure.cohort_files()
    assert figure.conditions() == "results/chestxdet/conditions/aurad/fraction-0.1.parquet"


def test_a_study_without_experts_has_the_figure_and_one_without_generated_masks_has_not() -> None:
    arms = {"study": {"arms": ["original", "aurad"]}}
    figure = Figure5(Study(load_study([CONFIG_FILE, OVERLAY], arms)))
    assert figure.acceptance() == [] and len(figure.mask_tables()) == 1
    with pytest.raises(InputError, match="figure 5: no arm of study.arms has masks: generated"):
        Figure5(Study(load_study([CONFIG_FILE]))).shown()


def test_its_settings_name_the_datasets_of_the_study() -> None:
    config = load_study([CONFIG_FILE, OVERLAY])
    own = stage(config, "figure5")
    assert [one["task"] for one in own["datasets"]] == ["segmentation", "detection"] and own["figure5"]["examples"] == 3
    said = Figure5(Study(config)).names()
    assert said["aurad-filtered"] == "generated masks, kept by experts" and said["original"] == "real masks, moved"
    assert list(said) == ["real", *config["study"]["arms"]] and len(set(said.values())) == 5
