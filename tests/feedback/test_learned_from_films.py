"""The lists of films behind raters and behind a filter's choice name exactly those films."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.feedback.sets import SET_COLUMNS, films_behind
from scripts.lib.filters.kept_view import masks_behind


def cohort(name: str, ids: list[str]) -> Any:
    return SimpleNamespace(meta={"dataset": name}, index=pd.DataFrame({"image_id": ids}))


def test_masks_reports_and_controls_of_the_sets() -> None:
    captions = pd.DataFrame(
        [("mimic", "m1", "Edema"), ("mimic", "m2", "Edema"), ("mimic", "m3", "Normal"), ("candid", "c4", "Edema")],
        columns=["dataset", "image_id", "caption"],
    )
    # A text set, a set of a mask, a set of both, and a control of two real films.
    sets = pd.DataFrame(
        [
            ("s0", "text", "Edema", None, "x", "{}", None, None),
            ("s1", "mask", None, "c1", "y", "{}", None, "candid"),
            ("s2", "both", "Tube", "c2", "z", "{}", None, "candid"),
            ("s3", "control", "Normal?", None, None, "{}", json.dumps(["m5", "m6"]), "mimic"),
        ],
        columns=list(SET_COLUMNS),
    )
    mimic, candid = cohort("mimic", ["m6", "m5", "m4", "m3", "m2", "m1"]), cohort("candid", ["c1", "c2", "c3", "c4"])
    # Both reports of edema count, that of m3 is in no set; c3 and m4 taught nobody.
    found = films_behind(captions, [mimic, candid], sets)
    assert [rows.tolist() for rows in found] == [[0, 1, 4, 5], [0, 1, 3]]


def test_masks_of_the_kept_images_alone(tmp_path: Path) -> None:
    with CohortWriter(tmp_path / "cohort", 4, ["lungs"], [], {"dataset": "mine"}) as writer:
        for name in ("f0", "f1", "f2"):
            writer.add(np.zeros((4, 4), np.uint8), None, {"image_id": name, "patient_id": name, "split": "train"})
    conditions = pd.DataFrame({"condition_id": ["a", "b", "c"], "mask_source": ["f1", "f2", None]}).astype("string")
    conditions.to_parquet(tmp_path / "conditions.parquet")
    chosen: Any = SimpleNamespace(index=pd.DataFrame({"condition_id": ["a", "a", "c"]}))
    found = masks_behind(chosen, tmp_path / "conditions.parquet", tmp_path / "cohort")
    assert found[["dataset", "image_id", "role"]].to_numpy().tolist() == [["mine", "f1", "kept"]]
    unknown = masks_behind(chosen, None, tmp_path / "cohort")
    assert unknown["role"].tolist() == ["kept"] and unknown["image_id"].isna().all()
