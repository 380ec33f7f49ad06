"""A small pool and cohort with masks, and the folder of a reading study made by the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from scripts import sample_reading
from scripts.lib.cohort.writer import CohortWriter
from tests.conditions.test_mask_words import STRUCTURES, chest
from tests.helpers.rating_toy import film

LABELS = ["pleural_effusion", "cardiomegaly"]
ANCHORS = ["surely not", "hardly", "rather not", "rather", "very", "surely"]
SCALE = {"about": "reading", "kind": "scale", "first": 0, "least": 3, "anchors": ANCHORS}
QUESTIONS: list[dict[str, Any]] = [
    # the order of the list is not that of the page: what has the outline comes last
    SCALE | {"id": "overlay", "topic": "useful", "overlay": True, "text": "How useful is the outline?"},
    SCALE | {"id": "authentic", "topic": "authentic", "text": "How <b>authentic</b> does it look?"},
]
TOLD = "Some films are real, some <i>are not</i>."
SETTINGS = {
    "films": 8, "told": TOLD, "shared_share": 1.0, "repeat_share": 0.25, "draws": 200, "questions": QUESTIONS,
    "simulation": {"films": 200, "severity": 0.0, "noise": 0.02},
}  # fmt: skip


def shown(number: int, noise: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Return image, mask and labels: fluid on the right in every second one, a large heart in every third."""
    right, large = number % 2 == 0, number % 3 == 0
    field = np.roll(chest(right=right, large=large), (number % 3 - 1, number % 7 - 3), (0, 1))  # no two lie alike
    image = film(1 + noise, 32).astype(int) // 2 + 60
    image[field & 1 > 0] -= 50
    image[field & 2 > 0] += 40
    image[field & 12 > 0] += 60
    image += np.random.default_rng(number).normal(0, 4 + noise, image.shape).astype(int)
    return np.clip(image, 0, 255).astype(np.uint8), field, dict(zip(LABELS, (int(right), int(large))))


def write_stores(root: Path, images: int = 12, test: int = 24, train: int = 60) -> None:
    """Write a pool of noisy images, and a cohort of films of split test and train, each of a patient of its own."""
    with CohortWriter(root / "pool", 32, STRUCTURES, LABELS, {"dataset": "toy"}) as writer:
        for number in range(images):
            image, field, labels = shown(number, 60)
            row = {
                "image_id": f"i{number}",
                "patient_id": f"i{number}",
                "split": "synthetic",
                "sha256": "",
                "synthetic": True,
            }
            writer.add(image, field, row | labels)
    with CohortWriter(root / "cohort", 32, STRUCTURES, LABELS, {"dataset": "toy"}) as writer:
        for number in range(test + train):
            image, field, labels = shown(number)
            row = {"image_id": f"f{number}", "patient_id": f"p{number}", "split": "test" if number < test else "train"}
            writer.add(image, field, row | {"sha256": "", "synthetic": False, "annotated": 15} | labels)


def words(root: Path, raters: tuple[str, ...] = ("ann", "bob"), **changed: object) -> list[str]:
    """Return the arguments of sample_reading."""
    given = ["--pool", f"{root}/pool", "--cohort", f"{root}/cohort", "--seed", "3"]
    return [*given, "--config", json.dumps(SETTINGS | changed), "--raters", *raters, "--out", f"{root}/reading"]


def write_reading(root: Path, raters: tuple[str, ...] = ("ann", "bob"), **changed: object) -> Path:
    """Write the stores and the forms about them; return the folder of the reading study."""
    write_stores(root)
    sample_reading.main(words(root, raters, **changed))
    return root / "reading"
