"""Scores of boxes: by hand, and against COCO's own code."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from scripts.lib.downstream.box_metrics import Matched, average_precision, box_scores, froc, match, match_film, overlaps
from tests.helpers.box_films import Kinds, made_boxes

# What pycocotools 2.0.11 says of `made_boxes(seed)`: AP and AP50 of summarize().
COCO = {0: (0.07995300957570910, 0.21280099243155023), 1: (0.12002541795119538, 0.23378112993646070), 2: (0.17961148717913475, 0.37598835854564533)}  # fmt: skip


def scored(kinds: Kinds) -> dict[str, float | None]:
    return box_scores([match(*kind) for kind in kinds])


def test_average_precision_by_hand() -> None:
    # Two true boxes; found, missed, found: precision 1 up to recall .50 (51 of 101 recalls), then 2/3 (50 of them).
    hits = np.array([True, False, True])
    assert average_precision(hits, 2) == pytest.approx((51 + 50 * 2 / 3) / 101)
    # A third true box that is never found: recall ends at 2/3, so recalls .67 to 1 count 0; 34 of 101 up to 1/3, 33 up to 2/3.
    assert average_precision(hits, 3) == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert average_precision(np.zeros(0, bool), 2) == 0 and average_precision(np.array([False]), 2) == 0


def test_froc_by_hand() -> None:
    hits = np.array([True, False, True])
    assert froc(hits, 2, 2) == pytest.approx(0.5)  # no rate allows a false box on two films: recall 1/2 at each
    # On ten films .05 allows none (1/2), .1 one and .2 two (2/2).
    assert froc(hits, 2, 10) == pytest.approx((0.5 + 1 + 1) / 3)
    assert froc(np.zeros(0, bool), 2, 10) == 0


def test_a_true_box_is_found_once_and_by_the_box_of_the_highest_score() -> None:
    true = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    found = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 26], [50, 50, 60, 60]], np.float32)
    # Overlaps: 90/100, 100/100, 60/100, 0: the second is a second box of the same finding, unless the first is not near enough.
    np.testing.assert_allclose(overlaps(found, true)[:3], [[0.9, 0], [1, 0], [0, 0.6]])
    hits = match_film(found, true)
    assert hits[0].tolist() == [True, False, True, False]  # 0.50
    assert hits[3].tolist() == [True, False, False, False]  # 0.65: the third no longer overlaps enough
    assert hits[9].tolist() == [False, True, False, False]  # 0.95: only the exact box does


def test_films_that_nobody_looked_at_and_kinds_without_boxes_count_nowhere() -> None:
    box, nothing = np.array([[0, 0, 8, 8]], np.float32), np.zeros((0, 4), np.float32)
    score = [np.array([0.9]), np.array([0.8])]
    one = match([box, box], score, [None, box])
    assert one.known.tolist() == [False, True] and box_scores([one])["ap50"] == 1
    absent = match([box, box], score, [nothing, nothing])
    assert box_scores([absent]) == {"map": None, "ap50": None, "froc": None}
    both = box_scores([one, absent])
    assert both["map"] == 1 and both["map:0"] == 1 and both["map:1"] is None
    assert box_scores([match([nothing], [np.zeros(0)], [box])])["froc"] == 0


def test_the_worst_of_a_hundred_boxes_and_more_are_left_out() -> None:
    box = np.array([[0, 0, 8, 8]], np.float32)
    far = np.repeat(box + 20, 100, axis=0)
    many = match([np.concatenate([far, box])], [np.array([0.5] * 100 + [0.1])], [box])
    assert len(many.films) == 100 and not many.hits.any()  # COCO's limit: the true one is number 101


@pytest.mark.parametrize("seed", COCO)
def test_scores_are_those_that_coco_gave(seed: int) -> None:
    found = scored(made_boxes(seed))
    assert found["map"] == pytest.approx(COCO[seed][0], abs=1e-12)
    assert found["ap50"] == pytest.approx(COCO[seed][1], abs=1e-12)


@pytest.mark.parametrize("seed", range(3, 9))
def test_scores_are_those_of_pycocotools(seed: int) -> None:
    coco = pytest.importorskip(
        "pycocotools.coco", reason="pip install pycocotools holds box metrics against COCO's code"
    )
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    kinds = made_boxes(seed)
    truths, found = [], []
    for kind, (boxes, scores, true) in enumerate(kinds):
        for film in range(len(boxes)):
            place = {"image_id": film + 1, "category_id": kind + 1}
            known = np.zeros((0, 4)) if true[film] is None else true[film]
            truths += [place | {"bbox": sides(box), "area": area(box), "iscrowd": 0} for box in known]
            found += [place | {"bbox": sides(box), "score": float(s)} for box, s in zip(boxes[film], scores[film])]
    with contextlib.redirect_stdout(io.StringIO()):
        told = coco.COCO()
        told.dataset = {
            "images": [{"id": film + 1} for film in range(len(kinds[0][0]))],
            "annotations": [truth | {"id": number} for number, truth in enumerate(truths, start=1)],
            "categories": [{"id": kind + 1} for kind in range(len(kinds))],
        }
        told.createIndex()
        judged = evaluation.COCOeval(told, told.loadRes(found), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    mine = scored(kinds)
    assert mine["map"] == pytest.approx(judged.stats[0], abs=1e-12)
    assert mine["ap50"] == pytest.approx(judged.stats[1], abs=1e-12)


def sides(box: np.ndarray) -> list[float]:
    """Return left, top, width and height, as COCO writes a box."""
    left, top, right, bottom = map(float, box)
    return [left, top, right - left, bottom - top]


def area(box: np.ndarray) -> float:
    _, _, width, height = sides(box)
    return width * height


def test_more_true_boxes_found_never_scores_worse() -> None:
    made = match(*made_boxes(5)[0])
    better = Matched(made.films, made.scores, made.hits | (np.arange(made.hits.shape[1]) == 0), made.truths, made.known)
    assert (box_scores([better])["map"] or 0) >= (box_scores([made])["map"] or 0)
