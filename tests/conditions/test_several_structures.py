"""Conditions of a task of several structures: their masks take turns, and one that no film shows has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import draw_ranks
from scripts.lib.conditions.table import TableRequest, build_conditions
from scripts.lib.study.config import ROOT, load_study, stage
from tests.helpers.box_films import write_box_films

FILES = [ROOT / "config.yaml", ROOT / "studies" / "aurad-phantom.yaml"]


def conditions(cohort: Cohort, task: str) -> pd.DataFrame:
    settings: dict[str, Any] = stage(load_study(FILES), "conditions", "chestxdet-boxes")
    settings |= {"task": task, "target": ["spot", "hole"]}
    ranks = draw_ranks(cohort.index, [], 1, True, 1, "toy")
    return build_conditions(cohort, ranks, settings, TableRequest("toy", 1.0, 2, 1, 1))


def shown(cohort: Cohort, table: pd.DataFrame, name: str) -> np.ndarray:
    """Return whether the mask behind each condition shows a structure, bool (n,)."""
    place = pd.Series(np.arange(len(cohort)), cohort.index["image_id"].astype(str))
    masks = cohort.mask(place[table["mask_source"].astype(str)].to_numpy(), name)
    return np.asarray(masks.any(axis=(1, 2)))


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_structures_take_turns_as_often_as_films_show_any(tmp_path: Path, task: str) -> None:
    cohort = write_box_films(tmp_path, 24)
    table = conditions(cohort, task)
    assert len(table) == 48 and set(table["kind"]) == {"mask"}
    spots, holes = (shown(cohort, table, name) for name in ("spot", "hole"))
    # Odd films show a spot, every third a hole: 16 of 24 one of them. The others have an empty mask and are no source.
    assert (spots | holes).all()
    assert min(spots.mean(), holes.mean()) >= 0.5


def test_a_structure_that_no_film_shows_has_no_image_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort = write_box_films(tmp_path, 24)
    without = cohort.select(np.flatnonzero(np.arange(24) % 3 != 0))
    table = conditions(without, "detection")
    assert len(table) == 32 and shown(without, table, "spot").all()
    assert "trial 0: no film that is learned from shows hole, so no image shows it" in capsys.readouterr().err
