"""Subsets: nested, by patient, stratified, and clear about fractions that are too small."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import draw_subsets
from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.subsets import check_classes, draw_ranks, smallest_fraction, subset_rows
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError

FIVE = ["atelectasis", "cardiomegaly", "consolidation", "edema", "pleural_effusion"]


def make_index(patients, labels, split="train"):
    """One row a film: `patients` numbers, `labels` {name: 0/1 list}."""
    count = len(patients)
    frame = pd.DataFrame(
        {
            "image_id": [f"film-{number:04d}" for number in range(count)],
            "patient_id": pd.array([f"p{number}" for number in patients], dtype="string"),
            "split": split if isinstance(split, list) else [split] * count,
        }
    )
    for name, values in labels.items():
        frame[name] = pd.array(values, dtype="Int8")
    return frame


def alternating(count, every):
    return [int(number % every == 0) for number in range(count)]


def test_one_percent_of_400_films_is_four_with_one_positive_of_four():
    index = make_index(range(400), {"pneumonia": alternating(400, 4)})  # 100 positives
    subsets = draw_ranks(index, ["pneumonia"], 3, True, 1, "rsna")
    for trial in range(3):
        rows = subset_rows(index, subsets, trial, 0.01)
        assert len(rows) == 4 and index["pneumonia"].iloc[rows].sum() == 1
        assert len(subset_rows(index, subsets, trial, 0.1)) == 40
        assert len(subset_rows(index, subsets, trial, 1.0)) == 400


def test_a_rare_class_is_rounded_up_not_away():
    index = make_index(range(400), {"pneumonia": alternating(400, 20)})  # 5 %: 0.2 expected in four films
    subsets = draw_ranks(index, ["pneumonia"], 5, True, 1, "rsna")
    for trial in range(5):
        assert index["pneumonia"].iloc[subset_rows(index, subsets, trial, 0.01)].sum() == 1
        assert index["pneumonia"].iloc[subset_rows(index, subsets, trial, 0.1)].sum() in (2, 3)


def test_trials_differ_unless_they_share_one_order():
    index = make_index(range(200), {"pneumonia": alternating(200, 3)})
    own, shared = (draw_ranks(index, ["pneumonia"], 2, flag, 1, "rsna") for flag in (True, False))
    drawn = [set(subset_rows(index, own, trial, 0.1)) for trial in (0, 1)]
    assert drawn[0] != drawn[1]
    assert set(subset_rows(index, shared, 0, 0.1)) == set(subset_rows(index, shared, 1, 0.1)) == drawn[0]


def test_order_of_the_index_and_other_splits_have_no_part():
    index = make_index(range(60), {"pneumonia": alternating(60, 3)}, ["train"] * 50 + ["test"] * 10)
    subsets = draw_ranks(index, ["pneumonia"], 1, True, 5, "rsna")
    assert len(subsets) == 50
    shuffled = index.sample(frac=1, random_state=1).reset_index(drop=True)
    again = draw_ranks(shuffled, ["pneumonia"], 1, True, 5, "rsna")
    first, second = (table.set_index("image_id")["rank"].sort_index() for table in (subsets, again))
    assert first.equals(second)
    rows = subset_rows(shuffled, subsets, 0, 0.2)
    assert set(shuffled["image_id"].iloc[rows]) == set(index["image_id"].iloc[subset_rows(index, subsets, 0, 0.2)])
    assert (shuffled["split"].iloc[subset_rows(shuffled, subsets, 0, 1)] == "train").all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=120), st.integers(0, 10**6))
def test_subsets_are_nested_whole_patients_of_about_the_right_size(patients, seed):
    generator = np.random.default_rng(seed)
    labels = {name: generator.integers(0, 2, len(patients)).tolist() for name in FIVE}
    index = make_index(patients, labels)
    subsets = draw_ranks(index, FIVE, 1, True, seed, "chexpert")
    assert subsets["rank"].between(0, 1, inclusive="left").all()
    assert (subsets.groupby("patient_id")["rank"].nunique() == 1).all()
    largest = index.groupby("patient_id").size().max()
    before: set[int] = set()
    for fraction in (0.05, 0.2, 0.5, 1.0):
        try:
            rows = set(subset_rows(index, subsets, 0, fraction).tolist())
        except InputError:
            continue
        assert before <= rows
        assert abs(len(rows) - fraction * len(index)) <= largest / 2 + 1e-9
        before = rows
    assert len(before) == len(index)


def test_label_shares_hold_at_ten_percent_with_many_films_a_patient():
    generator = np.random.default_rng(2)
    shares = [0.1, 0.2, 0.15, 0.25, 0.4]
    patients = generator.integers(0, 1500, 4000)
    index = make_index(patients, {name: (generator.random(4000) < share) * 1 for name, share in zip(FIVE, shares)})
    subsets = draw_ranks(index, FIVE, 1, True, 3, "chexpert")
    rows = subset_rows(index, subsets, 0, 0.1)
    assert np.abs(index[FIVE].iloc[rows].mean() - index[FIVE].mean()).max() < 0.01


def test_missing_labels_and_missing_patients_are_taken():
    index = make_index(range(20), {"edema": [None, 1] * 10})
    index.loc[:4, "patient_id"] = pd.NA
    subsets = draw_ranks(index, ["edema"], 1, True, 3, "x")
    assert len(subset_rows(index, subsets, 0, 0.5)) == 10
    assert len(draw_ranks(index, [], 1, True, 3, "x")) == 20


def test_too_small_a_fraction_names_the_smallest_that_works():
    index = make_index(range(19), {"pneumonia": alternating(19, 6)})
    subsets = draw_ranks(index, ["pneumonia"], 1, True, 1, "siim")
    # The first film's rank is 0.5 / 19 = 0.02632, so 0.0264 is the smallest fraction of four decimals above it.
    with pytest.raises(InputError, match=r"0\.01 of 19 training films .* smallest usable fraction is 0\.0264"):
        subset_rows(index, subsets, 0, 0.01)
    assert len(subset_rows(index, subsets, 0, 0.0264)) == 1
    with pytest.raises(InputError, match="only one class of pneumonia in trial 0") as caught:
        check_classes(index, subsets, [0], 0.0264, "pneumonia")
    named = str(caught.value).rsplit(" ", 1)[1]
    assert named == smallest_fraction(index, subsets, [0], "pneumonia")
    check_classes(index, subsets, [0], float(named), "pneumonia")


def test_one_class_in_the_whole_training_set_cannot_be_avoided_and_is_no_error():
    index = make_index(range(30), {"pneumothorax": [1] * 30})
    subsets = draw_ranks(index, ["pneumothorax"], 1, True, 1, "siim")
    check_classes(index, subsets, [0], 0.1, "pneumothorax")
    assert smallest_fraction(index, subsets, [0], "pneumothorax") is None


def test_a_table_of_another_cohort_or_too_few_trials_is_refused():
    index = make_index(range(30), {"edema": alternating(30, 2)})
    subsets = draw_ranks(index, ["edema"], 1, True, 1, "x")
    with pytest.raises(InputError, match="no trial 1; the table has trials \\[0\\]"):
        subset_rows(index, subsets, 1, 0.5)
    with pytest.raises(InputError, match="does not list each training film"):
        subset_rows(index.assign(image_id=index["image_id"] + "x"), subsets, 0, 0.5)
    with pytest.raises(InputError, match="does not list each training film"):
        subset_rows(index, pd.concat([subsets, subsets.head(1)]), 0, 0.5)
    with pytest.raises(InputError, match="no training films"):
        draw_ranks(index.assign(split="test"), ["edema"], 1, True, 1, "x")


def drawn(folder, brightest):
    """The table that the command draws for 12 films; `brightest` is the grey value of the last one."""
    with CohortWriter(folder / "cohort", 8, [], ["edema"], {"dataset": "tiny"}) as writer:
        for number in range(12):
            image = np.full((8, 8), number if number < 11 else brightest, np.uint8)
            row = {"image_id": f"i{number}", "patient_id": f"p{number // 2}", "split": "train", "edema": number % 2}
            writer.add(image, None, {**row, "sha256": pixels_sha256(image)})
    options = ["--cohort", str(folder / "cohort"), "--config", '{"per_trial": true}', "--trials", "2", "--seed", "9"]
    draw_subsets.main([*options, "--out", str(folder / "subsets.parquet")])
    return folder / "subsets.parquet"


def test_command_writes_the_same_bytes_for_the_same_films(tmp_path):
    first, again = drawn(tmp_path / "a", 11), drawn(tmp_path / "b", 11)
    assert first.read_bytes() == again.read_bytes()
    table = pd.read_parquet(first)
    assert list(table.columns) == ["image_id", "patient_id", "trial", "rank"] and len(table) == 24


def test_the_table_changes_with_the_pixels_of_a_film(tmp_path):
    """Trials name this file alone of what belongs to a cohort, and Snakemake compares it by its bytes."""
    first, other = drawn(tmp_path / "a", 11), drawn(tmp_path / "b", 12)
    assert first.read_bytes() != other.read_bytes()
    pd.testing.assert_frame_equal(pd.read_parquet(first), pd.read_parquet(other))
