"""Conditions of a generator that follows classes: no text, no mask, one identity a class, balanced like any others."""

import pytest

from scripts.lib.conditions.rows import class_condition
from scripts.lib.core.errors import InputError
from tests.helpers.conditions_films import CANDID, CHEXPERT, RSNA, build, candid_cohort, chexpert_cohort

CLASSES = {"kinds": {"class": 1.0}}


def test_every_row_is_a_class_with_the_labels_that_a_text_would_have_had(tmp_path):
    cohort = chexpert_cohort(tmp_path / "films")
    table, _ = build(cohort, CHEXPERT | CLASSES)
    texts, _ = build(cohort, CHEXPERT)
    assert table["kind"].eq("class").all() and table[["prompt", "mask_source", "transform"]].isna().all(axis=None)
    assert table[cohort.labels].equals(texts[cohort.labels])
    for name in ("atelectasis", "cardiomegaly", "edema"):
        assert set(table["condition_id"][table[name] == 1]) == {class_condition(name)}
    assert not set(table["condition_id"]) & set(texts["condition_id"])
    assert not table.duplicated(["condition_id", "sample"]).any()


def test_half_of_all_prefixes_is_normal_and_needs_no_prompt(tmp_path):
    cohort = chexpert_cohort(tmp_path / "films")
    table, _ = build(cohort, RSNA | CLASSES | {"target": "edema", "prompts": {}}, trials=1)
    edema = table["edema"].to_numpy(dtype=int)
    assert [int(edema[:count].sum()) for count in (2, 10, 40)] == [1, 5, 20]
    assert set(table["condition_id"]) == {class_condition("edema"), class_condition("normal")}


def test_classes_are_all_or_nothing_and_no_segmentation(tmp_path):
    cohort = chexpert_cohort(tmp_path / "films")
    with pytest.raises(InputError, match=r"conditions\.kinds\.class = 0\.5: .* classes alone, or none"):
        build(cohort, CHEXPERT | {"kinds": {"class": 0.5, "text": 0.5}})
    with pytest.raises(InputError, match="an image without a mask cannot train a segmentation"):
        build(candid_cohort(tmp_path / "masks"), CANDID | CLASSES)
