"""Files of a study on top of each other: what a later one says of all tasks, and what any says of one."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.lib.study.config import ROOT, load_study, read_study, stage
from scripts.lib.study.layers import lay_over, merge

EARLIER = {"trials": {"steps": {"1": 600}, "batch": 32, "segmentation": {"batch": 16, "model": {"fold": 2}}}}


def test_an_overlay_changes_only_what_it_names() -> None:
    merged = merge({"a": {"x": 1, "y": [1, 2]}, "b": 3}, {"a": {"y": [9]}})
    assert merged == {"a": {"x": 1, "y": [9]}, "b": 3}


@pytest.mark.parametrize(
    ("later", "for_all", "for_masks"),
    [
        ({"batch": 4}, 4, 4),  # said of all tasks after what was said of one
        ({"batch": 4, "segmentation": {"batch": 8}}, 4, 8),  # and of one in the same file
        ({"segmentation": {"batch": 8}}, 32, 8),
        ({"steps": 5}, 32, 16),
    ],
)
def test_what_a_later_file_says_of_all_tasks_holds_for_each(
    later: dict[str, Any], for_all: int, for_masks: int
) -> None:
    trials = lay_over(EARLIER, {"trials": later})["trials"]
    assert (trials["batch"], trials["segmentation"]["batch"]) == (for_all, for_masks)
    assert trials["segmentation"]["model"] == {"fold": 2}
    assert EARLIER["trials"]["segmentation"] == {"batch": 16, "model": {"fold": 2}}  # the earlier file stays as it was


def test_parts_of_what_a_task_has_are_merged_key_by_key() -> None:
    earlier = {"trials": {"segmentation": {"model": {"fold": 2, "encoder": "small"}}}}
    trials = lay_over(earlier, {"trials": {"model": {"fold": 1}}})["trials"]
    assert trials == {"model": {"fold": 1}, "segmentation": {"model": {"fold": 1, "encoder": "small"}}}


def test_a_task_is_not_given_keys_that_it_did_not_have() -> None:
    trials = lay_over(EARLIER, {"trials": {"warmup": 0.5}})["trials"]
    assert trials["segmentation"] == {"batch": 16, "model": {"fold": 2}}


def test_neither_is_it_within_a_key_that_it_had() -> None:
    earlier = {"trials": {"augment": {"shift": 0.1, "rotation": 2}, "detection": {"augment": {"rotation": 0}}}}
    trials = lay_over(earlier, {"trials": {"augment": {"shift": 0.2}}})["trials"]
    assert trials == {"augment": {"shift": 0.2, "rotation": 2}, "detection": {"augment": {"rotation": 0}}}


def test_a_configuration_on_top_of_itself_is_itself() -> None:
    whole = read_study([ROOT / "config.yaml"])
    assert lay_over(whole, whole) == whole


def test_a_section_that_is_no_mapping_is_left_to_the_schema() -> None:
    assert lay_over(EARLIER, {"trials": 3}) == {"trials": 3}
    for value in (3, None):
        assert lay_over(EARLIER, {"trials": {"segmentation": value}})["trials"]["segmentation"] == value


def test_a_batch_and_a_budget_for_all_hold_for_labels_and_masks() -> None:
    config = load_study([ROOT / "config.yaml"], {"trials": {"batch_size": 4, "budget": {"steps": 7}}})
    for dataset in ("rsna", "siim", "chexpert"):
        settings = stage(config, "trials", dataset)
        assert (settings["batch_size"], settings["budget"]["steps"]) == (4, 7)
