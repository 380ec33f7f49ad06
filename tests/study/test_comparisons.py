"""Which arms are held against each other: what follows from the arms of a study, and what a person names."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import GENERATORS, Arm, Source
from scripts.lib.study.comparisons import _suggested, comparisons

ARMS: dict[str, Any] = {
    "original": {"generator": "controlnet"},
    "proxy-filtered": {"generator": "controlnet", "filter": "proxy", "candidates": 10},
    "proxy-tuned": {"generator": "proxy-tuned"},
    "tuned-filtered": {"generator": "proxy-tuned", "filter": "proxy"},
    "dpo": {"generator": "dpo"},
}


def config(arms: list[str], given: list[list[str]] | None = None) -> dict[str, Any]:
    return {"study": {"arms": arms}, "arms": ARMS, "statistics": {"comparisons": given}}


def test_filtered_and_tuned_arms_stand_against_what_they_come_from() -> None:
    assert comparisons(config(["original", "proxy-filtered", "proxy-tuned", "dpo"])) == [
        ("proxy-filtered", "original"),
        ("proxy-tuned", "original"),
        ("dpo", "original"),
    ]
    # A filter chooses among the images of its own generator.
    assert ("tuned-filtered", "proxy-tuned") in comparisons(config(["original", "proxy-tuned", "tuned-filtered"]))
    assert comparisons(config(["tuned-filtered", "original"])) == [("tuned-filtered", "original")]


def test_controls_and_another_mixing() -> None:
    made = Source("generator", adds=True)
    arms = {
        "duplicate": Arm("duplicate", Source("duplicate", adds=True)),
        "original": Arm("original", made, GENERATORS["controlnet"]),
        "pretrain": Arm("pretrain", made, GENERATORS["controlnet"]),
    }
    # The question of a control is whether images do more than it: the images stand first.
    sections = {"duplicate": {}, "original": {}, "pretrain": {"mixing": {"kind": "pretrain"}}}
    assert _suggested(arms, sections) == [("original", "duplicate"), ("pretrain", "original")]
    # A control that is mixed in a way of its own stands beside the images that are mixed so.
    alone = {"pretrain": {"mixing": {"kind": "alone"}}, "there": {"mixing": {"kind": "alone"}}}
    there = {"there": Arm("there", Source("cohort"))}
    assert _suggested(arms | there, sections | alone)[-1] == ("pretrain", "there")
    del arms["original"], arms["pretrain"]
    assert _suggested(arms, sections) == []


def test_an_arm_alone_is_compared_with_none() -> None:
    assert comparisons(config(["original"])) == [] == comparisons(config([]))
    assert comparisons(config(["proxy-filtered"])) == []


def test_pairs_of_a_person_replace_the_suggested_ones() -> None:
    arms = ["original", "proxy-filtered", "dpo"]
    assert comparisons(config(arms, [["dpo", "proxy-filtered"]])) == [("dpo", "proxy-filtered")]
    assert comparisons(config(arms, [])) == []


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            ["dpo", "original"],
            r"statistics.comparisons: dpo: it is no arm of this study; write two of study.arms \(original\)",
        ),
        (["original", "real"], "real: it stands against every arm by itself"),
        (["original", "original"], "original against itself"),
    ],
)
def test_a_pair_that_cannot_be_is_one_clear_line(given: list[str], line: str) -> None:
    with pytest.raises(InputError, match=line):
        comparisons(config(["original"], [given]))
