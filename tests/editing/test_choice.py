"""The judge's check, its classes and thresholds, and the operating point that a sweep chooses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.editing.found import MEASURES, summary
from scripts.lib.editing.judging import check, class_probabilities, read_verdict, shown_class
from scripts.lib.editing.own_film import coloured
from scripts.lib.editing.stores import OWN_CLASS, SDEDIT_EQUAL, point_of, points_as_json, read_points
from scripts.lib.editing.sweep import Point, choose
from scripts.lib.plotting.edits import pick


def rows(*points: tuple[str, float, float, float, float]) -> list[dict[str, Any]]:
    """Return rows of a sweep: way, strength, guidance, flip rate, identity (by pixels; by features all are kept)."""
    found = []
    for way, strength, guidance, flips, kept in points:
        about = {"way": way, "strength": strength, "guidance": guidance}
        for measure, value in (("flip_rate", flips), ("identity_pixels", kept), ("identity_features", 1.0)):
            found.append({**about, "measure": measure, "value": value})
    return found


def test_the_highest_flip_rate_of_those_that_keep_identity_is_chosen_and_of_equal_ones_the_weakest():
    points = choose(
        rows(
            ("sdedit", 0.2, 1.0, 0.9, 0.5),
            ("sdedit", 0.4, 1.0, 0.3, 0.8),
            ("ddpm", 0.2, 3.0, 0.6, 1.0),
            ("ddpm", 0.4, 1.0, 0.6, 0.96),
            ("ddpm", 0.6, 1.0, 0.8, 0.94),
        ),
        0.95,
    )
    assert list(points) == ["sdedit", "ddpm"]  # as they were swept
    assert (points["ddpm"].strength, points["ddpm"].guidance, points["ddpm"].note) == (0.2, 3.0, "")
    assert points["sdedit"].strength == 0.4 and "keeps the identity of 95%" in points["sdedit"].note


def test_a_judge_that_reads_no_film_leaves_nothing_to_choose():
    with pytest.raises(InputError, match="the judge sees the own class in no film of split validate"):
        choose([one for one in rows(("ddpm", 0.2, 1.0, 0.0, 1.0)) if one["measure"] != "flip_rate"], 0.95)


def test_points_are_read_as_they_were_written(tmp_path: Path):
    points = {name: Point(name, 0.4, 3.0, 0.5, 1.0, "") for name in ("ddpm", "sdedit")}
    (tmp_path / "points.json").write_text(json.dumps(points_as_json(points)))
    assert read_points(tmp_path / "points.json") == points
    assert point_of(points, OWN_CLASS) == points["ddpm"] and point_of(points, SDEDIT_EQUAL).way == "sdedit"
    with pytest.raises(InputError, match="no operating point of ddim; there are ddpm, sdedit"):
        point_of(points, "ddim")
    (tmp_path / "points.json").write_text("{}")
    with pytest.raises(InputError, match="points.json: no operating points"):
        read_points(tmp_path / "points.json")


def test_classes_of_labels():
    """normal is 1 less the largest label; the class that is seen is the label farthest above its own threshold."""
    found = np.array([[0.2, 0.1], [0.4, 0.7], [0.45, 0.55]])
    assert class_probabilities(found) == pytest.approx(np.array([[0.8, 0.2, 0.1], [0.3, 0.4, 0.7], [0.45, 0.45, 0.55]]))
    assert shown_class(found, np.array([0.3, 0.6])).tolist() == [0, 1, 1]  # 0.1 and 0.1: the first of equal ones


def verdict(scores: list[float], least: float = 0.7) -> Any:
    truth = np.array([[0], [0], [0], [0], [1], [1], [1], [1]], float)
    patients = np.array(list("abcdefgh"))
    return check(truth, np.array(scores)[:, None], ["pneumonia"], patients, least)


def test_a_judge_is_checked_and_a_weak_one_refused(tmp_path: Path):
    """Fully apart: AUROC 1, and by the rule of three not surely above 1 - 3/8; the threshold is the middle of .4 and .6."""
    apart = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    good = verdict(apart, least=0.6)
    only = good.labels[0]
    assert (only.auroc, only.high, only.n, only.threshold, good.refused) == (1.0, 1.0, 8, 0.5, "")
    assert only.low == pytest.approx(0.625) and "(0.62 to 1.00)" in verdict(apart, least=0.7).refused
    weak = verdict([0.1, 0.9, 0.2, 0.8, 0.15, 0.85, 0.3, 0.7])
    assert "its AUROC of pneumonia on 8 films is 0.50" in weak.refused and "lower end must reach 0.7" in weak.refused
    (tmp_path / "judge.json").write_text(json.dumps(weak.as_json()))
    with pytest.raises(InputError, match="the judge is refused: its AUROC of pneumonia"):
        read_verdict(tmp_path / "judge.json")
    (tmp_path / "judge.json").write_text(json.dumps(good.as_json()))
    assert read_verdict(tmp_path / "judge.json") == good


def table(**columns: list[float]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    empty = {name: np.full(count, np.nan) for name in MEASURES.values()}
    names = [f"f{place}" for place in range(count)]
    return pd.DataFrame({"image_id": names, "patient_id": names, "other": "normal", **empty, **columns})


def test_means_leave_out_films_without_a_value_and_measures_without_any():
    found = summary(table(flipped=[1.0, 0.0, np.nan, 1.0], gain=[0.5] * 4), 200, np.random.default_rng(1))
    assert [row["measure"] for row in found] == ["flip_rate", "gain"]
    assert found[0]["n"] == 3 and found[0]["value"] == pytest.approx(2 / 3)
    assert 0 <= found[0]["low"] < 2 / 3 < found[0]["high"] <= 1
    assert found[1]["low"] == pytest.approx(0.5) == found[1]["high"]


def test_films_of_one_patient_are_drawn_together():
    """Two patients, of four equal films each: a mean of draws is 0, 1/2 or 1, and the interval reaches both ends."""
    films = table(gain=[0.0] * 4 + [1.0] * 4).assign(patient_id=["a"] * 4 + ["b"] * 4)
    found = summary(films, 400, np.random.default_rng(1))
    assert (found[0]["low"], found[0]["high"]) == (0.0, 1.0)


def test_typical_edits_lie_near_the_median_and_the_worst_lost_their_child_or_gained_least():
    films = table(gain=[0.1, 0.5, 0.6, 0.9, 0.2], first_pixels=[1, 1, 1, 0, 1], first_features=[1.0] * 5)
    typical, worst = pick(films, 2)
    assert sorted(typical.tolist()) == [1, 2] and worst.tolist() == [3, 0]


def test_lost_children_take_half_of_the_places_of_the_worst_at_most():
    films = table(gain=[0.1, 0.2, 0.7, 0.8, 0.9], first_pixels=[1, 1, 0, 0, 0], first_features=[1.0] * 5)
    assert pick(films, 4)[1].tolist() == [2, 3, 0, 1]
    assert pick(films, 5)[1].tolist() == [2, 3, 4, 0, 1]  # half of 5, rounded up
    assert pick(films.assign(first_pixels=1), 3)[1].tolist() == [0, 1, 2]


def test_a_difference_is_red_where_brighter_and_blue_where_darker():
    """64 grey levels are full colour, 32 half of it: 255 * (1 - 1/2) = 127.5."""
    found = coloured(np.array([[100, 100, 100]], np.uint8), np.array([[100, 164, 68]], np.uint8))
    assert found[0].tolist() == [[255, 255, 255], [255, 0, 0], [128, 128, 255]]
