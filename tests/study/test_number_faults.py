"""Numbers that do not go together are refused when the configuration is read, not by the step that would use them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.config import CONFIG_FILE, ROOT, read_study, resolve
from scripts.lib.study.number_faults import number_faults

PLAIN = read_study([CONFIG_FILE])


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the default study with one key changed."""
    config = copy.deepcopy(PLAIN)
    *parents, last = path.split("/")
    section = config
    for key in parents:
        section = section.setdefault(key, {})
    section[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sampling/guidance_interval", [0.9, 0.1], "expected the lower number first"),
        ("masks/sampling/guidance_interval", [0.9, 0.1], "expected the lower number first"),
        ("dpo/timesteps", [0.5, 0.5], "and the other above it"),
        ("base/diffusion/beta_end", 1e-5, "noise must not fall"),
        ("class_ldm/diffusion/beta_end", 1e-5, "noise must not fall"),
        ("datasets/rsna/percentiles", [50, 50], "and the other above it"),
        ("datasets/rsna/phantom/films_per_patient", [3, 1], "expected the lower number first"),
        ("datasets/rsna/phantom/ages", [9, 3], "expected the lower number first"),
        ("datasets/rsna/phantom/ages", [9], "expected the least and the most"),
        ("datasets/rsna/phantom/prevalence", {"pneumonia": 0.9, "edema": 0.9}, "adds up to 1.8"),
        ("base/unet/norm_groups", 7, "does not divide the width"),
        ("base/vae/channels", [33, 64], "does not divide the width 33"),
        ("base/unet/attention", [True], "expected true or false for each of the"),
        ("class_ldm/unet/attention", [True], "expected true or false for each of the"),
        ("mgca/text/heads", 7, "does not divide hidden"),
        ("base/text/hidden", 31, "does not divide hidden"),
        ("proxy/train/text/heads", 7, "does not divide hidden"),
        ("mgca/losses", {"instance": 0, "token": 0, "prototype": 0}, "nothing is learned"),
        ("trials/segmentation/loss", {"bce": 0, "dice": 0}, "nothing is learned"),
        ("feedback/preferences/heldout", 0.95, "nothing is left to learn from"),
        ("conditions/classification/kinds", {"text": 0, "mask": 0, "both": 0}, "sum to 1, not to 0"),
        ("datasets/rsna/conditions/kinds", {"mask": 0.9}, "expected shares that sum to 1"),
    ],
)
def test_what_does_not_go_together_is_one_line_that_names_the_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(changed(path, value))
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert ".".join(path.split("/")[:2]) in lines[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sampling/guidance_interval", [0.5, 0.5]),  # one level of the schedule
        ("base/diffusion/beta_end", PLAIN["base"]["diffusion"]["beta_start"]),
        ("datasets/rsna/phantom/films_per_patient", [2, 2]),
        ("mgca/losses/token", 0),
        ("conditions/classification/kinds", {"text": 0.25, "mask": 0, "both": 0.75}),
    ],
)
def test_what_is_unusual_but_possible_is_taken(path: str, value: Any) -> None:
    resolve(changed(path, value))


@pytest.mark.parametrize("overlay", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_study_of_the_repository_has_such_a_fault(overlay: Path) -> None:
    assert number_faults(read_study([CONFIG_FILE, overlay])) == []
