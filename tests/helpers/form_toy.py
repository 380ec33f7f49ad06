"""A small study with edits, drawn films and the folder of a questionnaire, made by the real command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts import draw_forms
from scripts.lib.cohort.writer import CohortWriter
from tests.helpers.rating_toy import film

LABEL, SIDE = "pneumonia", 32
QUESTIONS = [
    {"id": "authentic", "about": "film", "kind": "yesno", "topic": "real", "text": "Does this look like a real film?"},
    {"id": "finding", "about": "film", "kind": "choice", "topic": "class", "text": "Which finding does it show?"},
    {"id": "sure", "about": "film", "kind": "scale", "topic": "sure", "text": "How sure?", "anchors": ["no", "well", "yes"]},
    {"id": "same_child", "about": "pair", "kind": "yesno", "topic": "same", "text": "The same <b>child</b>?"},
    {"id": "change", "about": "pair", "kind": "yesno", "topic": "change", "text": "What the heading says?"},
    {"id": "elsewhere", "about": "pair", "kind": "yesno", "topic": "elsewhere", "text": "Anything else changed?"},
]  # fmt: skip
SETTINGS = {
    "films": 4, "pairs": 4, "shared_share": 1.0, "repeat_share": 0.25, "draws": 40, "questions": QUESTIONS,
    "simulation": {"films": 600, "severity": 0.0, "noise": 0.05},
}  # fmt: skip


def picture(number: int, ill: bool, side: int = SIDE) -> np.ndarray:
    """Return a film of a child, with a bright patch in one lung where it is ill, uint8 (side, side)."""
    image = film(number, side).astype(int)
    if ill:
        image[side // 2 : side * 3 // 4, side // 5 : side * 2 // 5] += 90
    return np.clip(image, 0, 255).astype(np.uint8)


def write_films(root: Path, test: int = 24, train: int = 48) -> None:
    """Write films of split test and train by turns normal and ill, and an edit of every second test film."""
    with CohortWriter(root / "films", SIDE, [], [LABEL], {"dataset": "children"}, False) as writer:
        for number in range(test + train):
            split, ill = ("test" if number < test else "train"), number % 2
            row = {"image_id": f"f{number}", "patient_id": f"p{number}", "split": split, "sha256": str(number)}
            writer.add(picture(number, bool(ill)), None, row | {"synthetic": False, LABEL: ill})
    with CohortWriter(root / "edits", SIDE, [], [LABEL], {"dataset": "children"}, False) as writer:
        for number in range(test // 2):
            own, other = (LABEL, "normal") if number % 2 else ("normal", LABEL)
            row = {"image_id": f"f{number}-to-{other}", "patient_id": f"p{number}", "split": "test", "sha256": "e"}
            row |= {"synthetic": True, "source": f"f{number}", "own": own, "other": other, "cycle": 0.0}
            writer.add(picture(number, other == LABEL), None, row | {LABEL: int(other == LABEL)})


def words(root: Path, raters: tuple[str, ...] = ("ann", "bob"), **changed: object) -> list[str]:
    """Return the arguments of draw_forms."""
    given = ["--edits", f"{root}/edits", "--cohort", f"{root}/films", "--target", LABEL, "--seed", "3"]
    return [*given, "--config", json.dumps(SETTINGS | changed), "--raters", *raters, "--out", f"{root}/asked"]


def write_questionnaire(root: Path, raters: tuple[str, ...] = ("ann", "bob"), **changed: object) -> Path:
    """Write films, edits and the forms about them; return the folder of the questionnaire."""
    write_films(root)
    draw_forms.main(words(root, raters, **changed))
    return root / "asked"


@dataclass(frozen=True)
class AskedStudy:
    """The folder of a questionnaire, as Server serves it."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "answers.jsonl"

    def arguments(self, port: int) -> list[str]:
        return ["--forms", str(self.folder), "--port", str(port)]

    def tokens(self) -> dict[str, str]:
        return json.loads((self.folder / "answers.tokens.json").read_text())

    def lines(self) -> list[dict[str, object]]:
        """Return the records of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
