"""Settings of a stage: what is missing is named, all of it at once, and so is a word that is no choice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.settings import CHOICES, NEEDED, NEEDED_FOR, check_scoring, check_settings
from scripts.lib.study.config import CONFIG_FILE, load_study, stage
from scripts.lib.study.tasks import TASKS
from scripts.lib.training.settings import Section

VALUES = {"steps": 4, "text": {"hidden": 8, "kind": "small"}}


def test_a_dotted_key_is_looked_up_below() -> None:
    section = Section(VALUES, "base")
    assert section.at("steps") == 4 and section.at("text.hidden") == section["text"]["hidden"] == 8
    assert section.one_of("text.kind", "small", "large") == "small"
    assert json.dumps(section, sort_keys=True) == json.dumps(VALUES, sort_keys=True)


def test_all_missing_keys_are_named_at_once() -> None:
    section = Section(VALUES, "base")
    section.need("steps", "text.hidden")
    with pytest.raises(
        InputError, match="settings: base.clip, base.text.layers, base.steps.more: missing; config.yaml"
    ):
        section.need("steps", "clip", "text.layers", "steps.more")


def test_another_word_is_refused_with_its_dotted_key() -> None:
    with pytest.raises(InputError, match="settings: base.text.kind = 'small'; expected one of tiny, huge"):
        Section(VALUES, "base").one_of("text.kind", "tiny", "huge")


def changed(settings: dict[str, Any], path: str, value: Any = None) -> dict[str, Any]:
    """Return a copy with the value of a dotted key changed, or without it."""
    copied = json.loads(json.dumps(settings))
    *parents, last = path.split(".")
    part = copied
    for name in parents:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return copied


@pytest.mark.parametrize("dataset", ["rsna", "chexpert", "siim"])
def test_the_defaults_are_whole_and_each_needed_key_is_missed(dataset: str) -> None:
    """classification, multilabel and segmentation; only the last needs the keys of masks."""
    given = stage(load_study([CONFIG_FILE]), "trials", dataset)
    assert check_settings(given) == given
    for path in (*NEEDED, *NEEDED_FOR[TASKS[given["task"]].says]):
        with pytest.raises(InputError, match=f"settings: trials.{path}"):
            check_settings(changed(given, path))
    for path in CHOICES:
        with pytest.raises(InputError, match=f"settings: trials.{path} = 'another'; expected one of"):
            check_settings(changed(given, path, "another"))


def test_an_untasked_section_is_refused() -> None:
    with pytest.raises(InputError, match="settings: trials.task is missing"):
        check_settings({})


def test_scoring_needs_a_task_and_for_masks_a_policy() -> None:
    labels, masks = {"task": "multilabel", "target": ["edema"]}, {"task": "segmentation", "target": "lungs"}
    assert check_scoring(labels) == labels
    with pytest.raises(InputError, match="settings: trials.task, trials.target: missing"):
        check_scoring({})
    with pytest.raises(InputError, match="settings: trials.empty_policy is missing"):
        check_scoring(masks)
    with pytest.raises(InputError, match="empty_policy = 'skip'; expected one of exclude, kaggle, zero"):
        check_scoring({**masks, "empty_policy": "skip"})
