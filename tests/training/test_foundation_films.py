"""What the foundation model reads: reports, or the words of the labels of a cohort that has none; never a guess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.conditions.prompts import label_text
from scripts.lib.training.films import foundation_films

WORDS = {"a": "haze", "b": "{side} fluid", "normal": "no finding"}


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"a": 1, "b": 0}, "haze"),
        ({"a": 1, "b": 1}, "haze, fluid"),  # the side is not known
        ({"a": 0, "b": 0}, "no finding"),
        ({"a": 0, "b": None}, None),  # nobody looked for b: not healthy
        ({"a": None, "b": None}, None),
        ({"a": 1, "c": 1}, "haze"),  # c has no word
        ({}, None),
    ],
)
def test_labels_in_words(labels: dict[str, int | None], said: str | None) -> None:
    assert label_text(labels, WORDS) == said


def cohort(folder: Path, reports: list[str | None]) -> Path:
    with CohortWriter(folder, 32, [], ["a", "b"], {"dataset": "mine"}) as writer:
        for number, report in enumerate(reports):
            row = {"image_id": f"f{number}", "patient_id": f"p{number}", "split": "train", "report": report}
            row |= {"sha256": str(number), "synthetic": False, "a": number % 2, "b": 0}
            writer.add(np.zeros((32, 32), np.uint8), None, row)
    return folder


def test_only_a_cohort_without_any_report_has_its_labels_in_their_place(tmp_path: Path) -> None:
    silent = cohort(tmp_path / "silent", [None, "", None])
    films = foundation_films([silent], 32, {"mine": WORDS})
    assert films.reports == ["no finding", "haze", "no finding"]
    told = cohort(tmp_path / "told", [None, "Clear lungs.", None])
    assert foundation_films([told], 32, {"mine": WORDS}).reports == [None, "Clear lungs.", None]
    # what is read is part of the identity of a training; a cohort with reports keeps its own
    assert films.content != foundation_films([silent], 32, {"mine": {**WORDS, "a": "opacity"}}).content
    assert foundation_films([told], 32, {"mine": WORDS}).content == foundation_films([told], 32).content
