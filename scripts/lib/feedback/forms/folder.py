"""The folder of forms that raters answer: the forms, who sees them when, the questions, and the pictures as a cohort.

forms.parquet  assignments.parquet  questions.json  pictures/
The page opens it with all checks (app/form_desk.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.phantom import with_origin
from scripts.lib.feedback.forms.drawing import FormPicture
from scripts.lib.feedback.forms.questions import Question, as_json, read_questions


def write_forms(folder: Path, forms: pd.DataFrame, assignments: pd.DataFrame, questions: Sequence[Question]) -> None:
    """Write tables and questions, each file whole; the pictures have a function of their own."""
    with atomic_file(folder / "questions.json") as path:
        path.write_text(json.dumps(as_json(questions), indent=1) + "\n")
    for table, name in ((with_origin(forms), "forms"), (assignments, "assignments")):
        with atomic_file(folder / f"{name}.parquet") as path:
            table.to_parquet(path, index=False)


def read_forms(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[Question]]:
    """Return forms, assignments and questions as they were written."""
    forms, assignments = (pd.read_parquet(folder / f"{name}.parquet") for name in ("forms", "assignments"))
    return forms, assignments, list(read_questions(folder / "questions.json"))


def write_pictures(
    folder: Path, pictures: Sequence[FormPicture], resolution: int, structures: Sequence[str] = ()
) -> None:
    """Write the pictures of forms in the form of a cohort, without a word of what they are; with their masks of `structures`."""
    with CohortWriter(folder, resolution, structures, [], {"dataset": "forms"}, bool(structures)) as writer:
        for place, one in enumerate(pictures):
            image = one.store.images([one.row])[0]
            field = one.store.masks([one.row])[0] if structures else None
            name = f"picture-{place}"
            row = {"image_id": name, "patient_id": name, "split": "test", "sha256": pixels_sha256(image)}
            writer.add(image, field, row | {"synthetic": False})
