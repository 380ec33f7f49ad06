"""What images are made from must suit the task: refused when the configuration is read, not by the step that draws the plan."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from scripts.lib.conditions.plan import plan_kinds
from scripts.lib.core.errors import InputError
from scripts.lib.study.config import CONFIG_FILE, read_study, resolve
from scripts.lib.study.kind_faults import kind_faults

PLAIN = read_study([CONFIG_FILE])
WHOLE = resolve(PLAIN)
SHARES = [
    {"text": 1.0, "mask": 0.0, "both": 0.0},
    {"text": 0.0, "mask": 1.0, "both": 0.0},
    {"text": 0.0, "mask": 0.0, "both": 1.0},
    {"text": 0.5, "mask": 0.5, "both": 0.0},
    {"text": 0.0, "mask": 0.5, "both": 0.5},
    {"text": 0.5, "mask": 0.0, "both": 0.5},
]


def with_kinds(task: str, kinds: dict[str, float], of: dict[str, Any] = WHOLE) -> dict[str, Any]:
    """Return the default study with the images of one task made from other kinds of conditions."""
    config = copy.deepcopy(of)
    config["conditions"][task]["kinds"] = kinds
    return config


@pytest.mark.parametrize("kinds", SHARES, ids=str)
@pytest.mark.parametrize("task", ["classification", "multilabel", "segmentation"])
def test_what_the_plan_of_images_would_refuse_is_refused_at_once(task: str, kinds: dict[str, float]) -> None:
    try:
        assert np.isin(plan_kinds({"task": task, "kinds": kinds}, 8), [0, 1, 2]).all()
        refused = False
    except InputError:
        refused = True
    assert any(kind_faults(with_kinds(task, kinds))) == refused


@pytest.mark.parametrize(
    ("task", "kinds", "line"),
    [
        ("segmentation", SHARES[0], "conditions.segmentation.kinds.text = 1 for {}: an image made without a mask"),
        (
            "classification",
            SHARES[4],
            "conditions.classification.kinds.mask = 0.5 for {}: a mask alone carries no disease label",
        ),
    ],
)
def test_the_line_names_key_value_and_dataset(task: str, kinds: dict[str, float], line: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(with_kinds(task, kinds, PLAIN))
    told = str(caught.value)
    named = [name for name in PLAIN["study"]["datasets"] if PLAIN["datasets"][name]["task"] == task]
    assert named and all(line.format(name) in told for name in named)


def test_one_datasets_own_shares_are_named_where_they_stand() -> None:
    config = copy.deepcopy(WHOLE)
    config["datasets"]["siim"]["conditions"] = {"kinds": {"text": 0.5, "mask": 0.5}}
    assert [fault.split(" = ")[0] for fault in kind_faults(config)] == ["config: datasets.siim.conditions.kinds.text"]


def test_a_dataset_without_images_may_have_any() -> None:
    config = with_kinds("segmentation", SHARES[0])
    for arm in config["study"]["arms"]:
        config["arms"][arm].setdefault("cells", {})["datasets"] = ["rsna", "chexpert"]
    assert list(kind_faults(config)) == []
