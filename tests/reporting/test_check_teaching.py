"""A generator that will know its films by heart is told before it trains."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from scripts.lib.cohort.looking import Look
from scripts.lib.reporting.check_needs import WARNING
from scripts.lib.reporting.check_teaching import few_taught
from scripts.lib.study.config import CONFIG_FILE, load_study


def own(section: dict[str, Any], chosen: list[str] | None = None, **overlay: Any) -> dict[str, Any]:
    mine = {"root": "/films", "task": "classification", "target": "sick", "reader": {"table": "films.csv"}}
    study = {"name": "mine", "datasets": ["mine"], "fractions": [1], "multipliers": {"1": [0, 2]}}
    study |= {"arms": chosen} if chosen else {}
    return load_study([CONFIG_FILE], {"study": study, "datasets": {"mine": {**mine, **section}}, **overlay})


def look(**films: int) -> Look:
    splits = [split for split, count in films.items() for _ in range(count)]
    return Look("mine", pd.DataFrame({"split": splits}), ["sick"], [], None, [], False)


TEXTS = {"arms": {"original": {"generator": "base"}}}
CLASSES = {"chosen": ["class-ldm"]}


@pytest.mark.parametrize(
    ("section", "overlay", "films", "told"),
    [
        # 650 steps of 64 films are 41,600: 18 films are seen 2,311 times each, 83 of them 501 times, 84 of them 495 times.
        ({"split": {"generator": 0.3, "test": 0.3}}, TEXTS, {"generator": 18, "train": 900}, "18 films and sees each some 2,300"),
        ({"split": {"generator": 0.3, "test": 0.3}}, TEXTS, {"generator": 83}, "83 films and sees each some 500"),
        ({"split": {"generator": 0.3, "test": 0.3}}, TEXTS, {"generator": 84}, ""),
        # Without films of its own the foundation model learns from those of the trials.
        ({"split": {"test": 0.3}}, TEXTS, {"train": 40, "test": 900}, "40 films and sees each some 1,000"),
        # 600 steps of 32 films are 19,200: 20 films are seen 960 times.
        ({"split": {"generator": 0.3, "test": 0.3}}, CLASSES, {"generator": 20}, "the class-conditional model learns from 20 films"),
        ({"split": {"generator": 0.3, "test": 0.3}}, CLASSES, {"generator": 39}, ""),
        # Somebody else's model, and no model at all.
        ({"split": {"test": 0.3}}, {**TEXTS, "base": {"path": "/model"}}, {"train": 1}, ""),
        ({"split": {"test": 0.3}}, {"chosen": ["duplicate"]}, {"train": 1}, ""),
        ({"split": {"test": 0.3}}, TEXTS, {}, ""),
    ],
)  # fmt: skip
def test_passes_over_the_films_of_a_generator(
    section: dict[str, Any], overlay: dict[str, Any], films: dict[str, int], told: str
) -> None:
    found = [*few_taught(own(section, **overlay), [look(**films)])]
    assert [told in one.what for one in found if one.level == WARNING] == [True] * bool(told)


def test_a_dataset_that_was_not_counted_is_no_reason_to_warn() -> None:
    assert not [*few_taught(own({"split": {"test": 0.3}}, **TEXTS), [])]


def test_a_larger_step_sees_more_films() -> None:
    config = own({"split": {"test": 0.3}}, **TEXTS, base={"unet": {"gradient_accumulation": 4}})
    [one] = few_taught(config, [look(train=200)])  # 41,600 * 4 / 200 = 832
    assert "some 800 times" in one.what
    assert "base.path" in one.todo
