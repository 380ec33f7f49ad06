"""Conditions come from what a trial may learn from, and show the target as often as its films do."""

import numpy as np
import pytest

from scripts.lib.cohort.subsets import draw_ranks, set_aside, subset_rows
from scripts.lib.conditions.order import trial_rows
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import trial_seed
from scripts.lib.downstream.rows import Setting
from scripts.lib.downstream.trials import select_films
from scripts.lib.study.tasks import TASKS
from tests.helpers.conditions_films import (
    CANDID,
    CHEXPERT,
    DISEASES,
    build,
    write_cohort,
)


@pytest.mark.parametrize("kinds", [{"mask": 1.0}, {"both": 1.0}])
def test_masks_of_films_set_aside_make_no_image(candid, kinds):
    chosen = CANDID | {"kinds": kinds, "validation_share": 0.25, "positive_share": 0.5}
    table, subsets = build(candid, chosen, fraction=1.0, multiplier=4)
    for trial in (0, 1):
        rows = subset_rows(candid.index, subsets, trial, 1.0)
        kept, aside = set_aside(candid.index, rows, 0.25, 1, trial_seed(7, "tiny", trial))
        assert len(aside) == 10  # a quarter of 40 patients
        mine = table.iloc[trial_rows(table, trial)]
        assert set(mine["mask_source"]) == set(candid.index["image_id"].iloc[rows[kept]])
        assert len(mine) == 4 * 40, "the multiplier counts the whole subset"
    loose, _ = build(candid, chosen | {"validation_patients": 11}, multiplier=4)
    assert set(loose["mask_source"]) == set(candid.index["image_id"]), "ten are too few to be set aside"


def test_labels_of_films_set_aside_do_not_balance_classes(chexpert):
    chosen = CHEXPERT | {"validation_share": 0.5}
    table, subsets = build(chexpert, chosen, multiplier=2)
    counted = []
    for trial in (0, 1):
        rows = subset_rows(chexpert.index, subsets, trial, 1.0)
        kept, _ = set_aside(chexpert.index, rows, 0.5, 1, trial_seed(7, "tiny", trial))
        real = chexpert.index[DISEASES].iloc[rows[kept]].sum().to_numpy(dtype=int)
        mine = table.iloc[trial_rows(table, trial)][DISEASES].sum().to_numpy(dtype=int)
        totals = real + mine  # 80 rows fill up the labels of the 20 films that are learned from
        assert totals.max() - totals.min() <= 1
        counted.append(real.tolist())
    assert counted[0] != chexpert.index[DISEASES].sum().tolist()


def test_trials_learn_from_none_of_the_films_whose_masks_are_kept_from_conditions(candid):
    """The trial itself sets aside the films that its conditions leave out, for every task."""
    subsets = draw_ranks(candid.index, candid.labels, 1, True, 7, "tiny")
    setting = Setting("tiny", "original", 1.0, 0, trial_seed(7, "tiny", 0))
    films = candid.index.assign(split=["test"] + ["train"] * 39)
    cohort = candid.select(np.arange(40), split=films["split"].to_numpy())
    subsets = subsets[subsets["image_id"] != "i000"]
    rows = subset_rows(cohort.index, subsets, 0, 1.0)
    kept, aside = set_aside(cohort.index, rows, 0.25, 1, setting.seed)
    targets = {
        "classification": "edema",
        "multilabel": ["edema"],
        "segmentation": "pneumothorax",
        "detection": ["heart"],
    }
    assert set(targets) == set(TASKS)
    for task, target in targets.items():
        own = {"task": task, "target": target, "validation_share": 0.25, "validation_patients": 1}
        own["mixing"] = {"kind": "concat"}
        found = select_films(cohort, subsets, None, setting, own)
        assert found.training.rows.tolist() == rows[kept].tolist()
        assert found.validation.rows.tolist() == rows[aside].tolist()


def test_negative_films_have_the_share_of_the_subset(candid, capsys):
    table, subsets = build(candid, CANDID | {"positive_share": "subset"}, fraction=0.25, multiplier=8)
    for trial in (0, 1):
        rows = subset_rows(candid.index, subsets, trial, 0.25)
        share = candid.index["pneumothorax"].iloc[rows].mean()
        mine = table.iloc[trial_rows(table, trial)]
        assert 0 < share < 1 and mine["pneumothorax"].mean() == pytest.approx(share, abs=0.5 / len(mine))
        assert set(mine["mask_source"]) == set(candid.index["image_id"].iloc[rows])
    assert capsys.readouterr().err == ""


def test_negative_films_without_any_structure_make_no_mask_and_that_is_said(tmp_path, capsys):
    bare = write_cohort(
        tmp_path / "bare",
        {"edema": lambda number: 0},
        ["pneumothorax"],
        masks=lambda n: np.full((15, 15), n % 4 == 0, np.uint8),
    )
    table, _ = build(bare, CANDID | {"positive_share": "subset"}, trials=1)
    assert table["mask_source"].notna().all() and (table["mask_source"].str[1:].astype(int) % 4 == 0).all()
    assert "75% of the films that are learned from do not show the target" in capsys.readouterr().err


def test_masks_that_were_all_set_aside_are_told(tmp_path):
    rare = write_cohort(
        tmp_path / "rare",
        {"edema": lambda number: 0},
        ["pneumothorax"],
        masks=lambda n: np.full((15, 15), n == 5, np.uint8),
    )
    chosen, seeds = CANDID | {"validation_share": 0.5}, range(20)
    aside = []
    for seed in seeds:
        subsets = draw_ranks(rare.index, rare.labels, 1, True, seed, "tiny")
        rows = subset_rows(rare.index, subsets, 0, 1.0)
        if 5 in rows[set_aside(rare.index, rows, 0.5, 1, trial_seed(seed, "tiny", 0))[1]]:
            aside.append(seed)
    with pytest.raises(
        InputError, match="those of trial 0 are set aside for validation: lower trials.validation_share"
    ):
        build(rare, chosen, trials=1, seed=aside[0])
