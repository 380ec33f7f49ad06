"""Conditions: nested prefixes, balance, identity, sides, and clear faults."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import build_conditions as command
from scripts.lib.cohort.subsets import draw_ranks, subset_rows
from scripts.lib.conditions.masks import render, side_of
from scripts.lib.conditions.order import trial_rows
from scripts.lib.conditions.prompts import balancing_labels, label_prompts, null_text, spread, with_side
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from tests.helpers.conditions_films import (
    CANDID,
    CHEXPERT,
    DISEASES,
    PROMPTS,
    RSNA,
    TRANSFORMS,
    build,
    chest,
    write_cohort,
)


def test_null_texts():
    for text in ("", "  ", "N/A", "n/a", "nan", "NaN", "None", None, float("nan"), pd.NA):
        assert null_text(text if text is not pd.NA else str(text)) is None
    assert null_text(" edema ") == "edema"


def test_sides_in_prompts():
    assert with_side("{side} pneumothorax", "left") == "left pneumothorax"
    assert with_side("{side} pneumothorax", None) == "pneumothorax"
    assert with_side("edema", "left") == "edema" and with_side(None, "left") is None


def test_spread_holds_its_share_in_every_prefix():
    assert spread(0.5, 6).tolist() == [True, False] * 3
    assert spread(0, 4).sum() == 0 and spread(1, 4).sum() == 4
    third = spread(1 / 3, 3000)
    assert (np.abs(np.cumsum(third) - np.arange(1, 3001) / 3) <= 0.5 + 1e-6).all()


def greedy(counts, length):
    counts, chosen = list(counts), []
    for _ in range(length):
        chosen.append(counts.index(min(counts)))
        counts[chosen[-1]] += 1
    return chosen


def test_rare_labels_are_filled_up_then_take_turns():
    # Real films: 5, 2, 4. Label 1 goes to 3, 4; then 1 and 2 to 5; from then on all three in turn.
    assert balancing_labels([5, 2, 4], 9).tolist() == [1, 1, 1, 2, 0, 1, 2, 0, 1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(0, 80))
def test_balancing_is_the_greedy_rule(counts, length):
    assert balancing_labels(counts, length).tolist() == greedy(counts, length)


def test_each_trial_has_text_rows_of_its_own_balanced_with_its_real_films(chexpert):
    table, _ = build(chexpert, CHEXPERT, multiplier=2)
    # Real counts at 100 %: 20 atelectasis, 8 cardiomegaly, 4 edema; 80 rows fill all three to (20+8+4+80) / 3 = 37.3.
    assert len(table) == 160 and table["trial"].tolist() == [0, 1] * 80
    for trial in (0, 1):
        mine = table.iloc[trial_rows(table, trial)]
        assert mine["position"].tolist() == list(range(80))
        totals = chexpert.index[DISEASES].sum().to_numpy(dtype=int) + mine[DISEASES].sum().to_numpy(dtype=int)
        assert sorted(totals.tolist()) == [37, 37, 38]
        assert mine["prompt"].iloc[0] == "edema"
    assert (table[[*DISEASES, "pneumonia"]].sum(axis=1) == 1).all(), "one disease, all others 0"
    assert table["mask_source"].isna().all() and table["transform"].isna().all() and table["side"].isna().all()


def test_identity_is_the_content_and_repeats_are_numbered(chexpert):
    table, _ = build(chexpert, CHEXPERT)
    assert set(table["condition_id"]) == {content_hash(name, "", "") for name in DISEASES}
    for (trial, _), rows in table.groupby(["trial", "condition_id"]):
        assert rows["sample"].tolist() == list(range(trial * 10**9, trial * 10**9 + len(rows)))
    assert not table.duplicated(["condition_id", "sample"]).any()


@pytest.mark.parametrize("name", ["chexpert", "candid"])
def test_a_trials_images_do_not_depend_on_the_number_of_trials(request, name):
    cohort, chosen = request.getfixturevalue(name), CHEXPERT if name == "chexpert" else CANDID
    few, many = (build(cohort, chosen, fraction=0.5, trials=trials)[0] for trials in (1, 3))
    pd.testing.assert_frame_equal(few, many.iloc[trial_rows(many, 0)].reset_index(drop=True))


def test_normal_films_take_their_share(chexpert):
    table, _ = build(chexpert, CHEXPERT | {"normal_share": 0.25})
    normal = table["prompt"] == "normal"
    assert normal.sum() == 40 and (table.loc[normal, chexpert.labels] == 0).all(axis=None)  # of two trials
    shares = np.cumsum(normal) / np.arange(1, 161)
    assert np.abs(shares[15:] - 0.25).max() < 0.07


def test_binary_classification_alternates_when_half_is_normal(tmp_path):
    cohort = write_cohort(tmp_path / "r", {"pneumonia": lambda number: int(number % 4 == 0)})
    table, _ = build(cohort, RSNA, fraction=0.1, multiplier=3, trials=1)
    assert table["prompt"].tolist() == ["normal", "pneumonia"] * 6
    assert table["pneumonia"].tolist() == [0, 1] * 6
    only, _ = build(cohort, RSNA | {"normal_share": 0.0}, fraction=0.1, multiplier=3, trials=1)
    assert set(only["prompt"]) == {"pneumonia"} and only["sample"].tolist() == list(range(12))


def test_mask_rows_come_from_the_trials_own_subset_and_use_its_masks_evenly(candid):
    table, subsets = build(candid, CANDID, fraction=0.3, multiplier=4)
    for trial in (0, 1):
        rows = subset_rows(candid.index, subsets, trial, 0.3)
        mine = table.iloc[trial_rows(table, trial)]
        assert len(mine) == 4 * len(rows) and (mine["trial"] == trial).all()
        positives = set(candid.index["image_id"].iloc[rows][candid.index["pneumothorax"].iloc[rows] == 1])
        assert set(mine["mask_source"]) == positives
        assert mine["mask_source"].value_counts().max() - mine["mask_source"].value_counts().min() <= 1
        assert mine["prompt"].isna().all() and (mine["kind"] == "mask").all()
        assert (mine["pneumothorax"] == 1).all() and mine["edema"].isna().all()
    assert not table.duplicated(["condition_id", "sample"]).any()


def test_sides_of_rows_are_those_of_the_rendered_masks(candid):
    table, _ = build(candid, CANDID | {"positive_share": 0.5})
    place = {name: row for row, name in enumerate(candid.index["image_id"])}
    assert 0.49 <= table["pneumothorax"].mean() <= 0.51
    for row in table.itertuples():
        field = render(candid.masks([place[row.mask_source]])[0], candid.structures, json.loads(row.transform))
        side = side_of(field & 4 != 0, field & 1 != 0)
        assert (side is None) == (row.pneumothorax == 0)
        assert side == (None if row.side is pd.NA else row.side)


def test_text_and_mask_together_name_the_flipped_side(candid):
    chosen = CANDID | {"kinds": {"both": 1.0}, "prompts": PROMPTS | {"pneumothorax": "{side} pneumothorax"}}
    table, _ = build(candid, chosen | {"positive_share": 0.5})
    sick = table[table["pneumothorax"] == 1]
    assert (sick["prompt"] == sick["side"] + " pneumothorax").all() and set(sick["side"]) == {"left", "right"}
    assert (table.loc[table["pneumothorax"] == 0, "prompt"] == "normal").all()
    assert (table["edema"] == 0).all()


def test_text_with_a_side_and_no_mask_takes_sides_in_turn(chexpert):
    table, _ = build(chexpert, CHEXPERT | {"prompts": PROMPTS | {"edema": "{side} edema"}}, trials=1)
    edema = table[table["edema"] == 1]
    assert edema["prompt"].iloc[:3].tolist() == ["left edema", "right edema", "left edema"]
    assert edema["side"].iloc[:2].tolist() == ["left", "right"]
    assert table.loc[table["edema"] == 0, "side"].isna().all()


def test_mixed_kinds_interleave(candid):
    chosen = CANDID | {"task": "multilabel", "target": ["edema", "pneumothorax"], "kinds": {"text": 0.5, "both": 0.5}}
    table, _ = build(candid, chosen, fraction=0.5, multiplier=2)
    for trial in (0, 1):
        mine = table.iloc[trial_rows(table, trial, 40)]
        assert mine["position"].tolist() == list(range(40))
        assert (mine["kind"] == "text").sum() == 20
        assert abs(int(mine["edema"].sum()) - 20) <= 10
    both = table[table["kind"] == "both"]
    shown = dict(zip(candid.index["image_id"], candid.index["pneumothorax"]))
    wanted = both["prompt"] == "pneumothorax"
    assert all(shown[name] == 1 for name in both.loc[wanted, "mask_source"])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.sampled_from([0.25, 0.5, 1.0]), st.integers(0, 99), st.booleans())
def test_smaller_multipliers_are_prefixes(candid, small, more, fraction, seed, halves):
    chosen = CANDID | {"positive_share": 0.5 if halves else 1.0, "transforms": TRANSFORMS | {"translate": 0.0}}
    short, subsets = build(candid, chosen, fraction, small, 2, seed)
    long, _ = build(candid, chosen, fraction, small + more, 2, seed)
    for trial in (0, 1):
        count = small * len(subset_rows(candid.index, subsets, trial, fraction))
        first = long.iloc[trial_rows(long, trial, count)].reset_index(drop=True)
        pd.testing.assert_frame_equal(first, short.iloc[trial_rows(short, trial)].reset_index(drop=True))
    assert not long.duplicated(["condition_id", "sample"]).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from([0.0, 0.3, 0.5]))
def test_text_prefixes_are_nested_too(chexpert, small, more, fraction, normal):
    chosen = CHEXPERT | {"normal_share": normal}
    short, long = (build(chexpert, chosen, fraction, times)[0] for times in (small, small + more))
    pd.testing.assert_frame_equal(long.iloc[: len(short)], short)


def test_table_types_and_columns(candid):
    table, _ = build(candid, CANDID)
    first = ["condition_id", "position", "trial", "sample", "kind", "prompt", "mask_source", "transform"]
    assert list(table.columns) == [*first, "pneumothorax", "edema", "side"]
    assert table[["position", "trial", "sample"]].dtypes.eq("int64").all()
    assert table["pneumothorax"].dtype == "Int8" and table["prompt"].dtype == "string"
    assert table["condition_id"].str.fullmatch("[0-9a-f]{16}").all()
    assert (
        table["transform"]
        .map(lambda text: json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text)
        .all()
    )


def test_hashes_are_made_from_the_pixels_where_the_index_has_none(candid, tmp_path):
    labels = {name: lambda number, name=name: int(number % 2 == 0) * (name == "pneumothorax") for name in candid.labels}
    bare = write_cohort(tmp_path / "bare", labels, candid.structures, masks=chest, hashes=False)
    assert build(bare, CANDID)[0].equals(build(candid, CANDID)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": PROMPTS | {"edema": "N/A"}}, "no prompt for 'edema'"),
        ({"prompts": {"edema": "edema"}}, "no prompt for 'atelectasis'"),
        ({"target": ["edema", "gout"]}, "target 'gout': not in this cohort"),
        ({"kinds": {"text": 0.5}}, "sum to 1"),
        ({"kinds": {"mask": 1.0}}, "a mask alone carries no disease label"),
        ({"kinds": {"both": 1.0}}, "no masks"),
        ({"task": "segmentation", "target": []}, "cannot train a segmentation"),
    ],
)
def test_faults_of_settings(chexpert, change, message):
    with pytest.raises(InputError, match=message):
        build(chexpert, CHEXPERT | change)


def test_faults_of_sizes(chexpert, candid, tmp_path):
    with pytest.raises(InputError, match="expected whole numbers from 1"):
        build(chexpert, CHEXPERT, multiplier=0)
    with pytest.raises(InputError, match="smallest usable fraction is 0.0126"):
        build(chexpert, CHEXPERT, fraction=0.01)  # 0.5 / 40 = 0.0125
    cohort = write_cohort(tmp_path / "r", {"pneumonia": lambda number: int(number == 0)})
    with pytest.raises(InputError, match="only one class of pneumonia .* smallest usable fraction is"):
        build(cohort, RSNA, fraction=0.02)
    rare = write_cohort(
        tmp_path / "s",
        {"edema": lambda number: 0},
        ["pneumothorax"],
        masks=lambda n: np.full((15, 15), n == 5, np.uint8),
    )
    with pytest.raises(InputError, match="no mask of pneumothorax in the subset .* smallest usable fraction is"):
        build(rare, CANDID, fraction=0.05, seed=3)
    with pytest.raises(InputError, match="set conditions.positive_share to 1"):
        build(rare, CANDID | {"positive_share": 0.5})
    table, _ = build(candid, CANDID, multiplier=1)
    with pytest.raises(InputError, match="trial 0: 40 synthetic images, but 41 are needed"):
        trial_rows(table, 0, 41)


def test_prompts_with_normal():
    assert label_prompts(PROMPTS, ["edema"], True) == ["edema", "normal"]


def test_many_rows_stay_quick(tmp_path):
    cohort = write_cohort(tmp_path / "m", {name: lambda number: number % 2 for name in DISEASES})
    table, _ = build(cohort, CHEXPERT, multiplier=5000)
    assert len(table) == 400_000  # linear: 10^6 rows take three seconds


def test_command_writes_the_same_bytes_twice(candid, tmp_path):
    subsets = draw_ranks(candid.index, candid.labels, 2, True, 7, "tiny")
    subsets.to_parquet(tmp_path / "subsets.parquet", index=False)
    options = ["--cohort", str(candid.folders[0]), "--subsets", str(tmp_path / "subsets.parquet"), "--seed", "7"]
    options += ["--config", json.dumps(CANDID), "--arm", "original", "--multiplier", "3", "--trials", "2"]
    for name in ("a", "b"):
        command.main([*options, "--fraction", "0.5", "--out", str(tmp_path / name)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(InputError, match="tiny, arm original: fraction 0.001"):
        command.main([*options, "--fraction", "0.001", "--out", str(tmp_path / "c")])
    assert not (tmp_path / "c").exists()
