"""The rating app without a browser: places and the desk."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.desk import Desk
from scripts.lib.feedback.app.guide import degraded
from scripts.lib.feedback.app.log_desk import Pace
from scripts.lib.feedback.app.pictures import OTHER_OUTLINE, OUTLINES
from scripts.lib.feedback.app.places import Place, count_done, is_complete, next_open, on_screen, read_places
from tests.helpers.rating_toy import Study, open_desk

TEXT, BOTH = Place(0, "a", "own", ("text",), (2, 0, 3, 1)), Place(1, "b", "shared", ("text", "mask"), (0, 1, 2, 3))
LAST = Place(2, "c", "repeat", ("mask",), (3, 2, 1, 0))
PLACES = [TEXT, BOTH, LAST]


def full(place: Place) -> dict[tuple[int, int, str], int]:
    return {(place.number, image, aspect): 3 for image in range(4) for aspect in place.aspects}


def test_a_place_is_complete_with_every_image_in_every_aspect() -> None:
    scores = full(BOTH)
    assert is_complete(BOTH, scores) and not is_complete(TEXT, scores)
    del scores[1, 3, "mask"]
    assert not is_complete(BOTH, scores) and count_done(PLACES, scores | full(TEXT)) == 1


def test_the_next_open_place_goes_on_from_the_beginning() -> None:
    assert next_open(PLACES, {}, 0) == 0 and next_open(PLACES, {}, 2) == 2
    assert next_open(PLACES, full(LAST), 2) == 0 and next_open(PLACES, full(TEXT), 3) == 1
    assert next_open(PLACES, full(TEXT) | full(BOTH) | full(LAST), 1) is None


def test_scores_stand_where_their_images_stand() -> None:
    # the screen shows samples 2, 0, 3, 1
    assert on_screen(TEXT, {(0, 2, "text"): 5, (0, 1, "text"): 0}) == {"text": [5, None, None, 0]}


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("set_id", "set-99", "'set-99' is not in the table of sets"),
        ("role", "guest", "role 'guest'"),
        ("order", "[0, 1, 2, 2]", "permutation"),
        ("order", "[0, 1]", "permutation"),
        ("order", "?", "row 0"),
        ("place", 7, "places of 'ann' are not 0 to 4"),
    ],
)
def test_assignments_that_do_not_fit(desk: Desk, study: Study, column: str, value: object, message: str) -> None:
    table = pd.read_parquet(study.folder / "assignments.parquet")
    table.loc[0, column] = value
    with pytest.raises(InputError, match=message):
        read_places(table, desk.pictures.sets, "assignments.parquet")


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (0, "condition_id", "c9", "'c9' is not in the pool"),
        (3, "films", '["film-0", "film-9"]', "'film-9' is not in the cohorts"),
        (3, "films", '["film-0"]', "1 images"),
        (3, "dataset", "mimic", "'mimic' is not in the cohorts"),
        (0, "set_id", "set-1", "twice"),
    ],
)
def test_sets_without_their_images(study: Study, row: int, column: str, value: object, message: str) -> None:
    table = pd.read_parquet(study.folder / "sets.parquet")
    table.loc[row, column] = value
    table.to_parquet(study.folder / "sets.parquet")
    with pytest.raises(InputError, match=message):
        open_desk(study)


def test_a_view_says_what_to_judge_and_nothing_else(desk: Desk) -> None:
    for number in range(5):
        view = desk.view("ann", number)
        assert set(view) == {"place", "aspects", "prompt", "images", "mask"} and len(set(view["images"])) == 4
        sizes = {image[:60] for image in view["images"]}  # signature and header: width, height, depth
        assert len(sizes) == 1
        text = json.dumps(view)
        assert not any(word in text for word in ("set-", "film-", "control", "shared", "sample", "condition"))
    assert desk.view("ann", 2)["prompt"] is None and desk.view("ann", 2)["mask"]["structures"][0][0] == "lungs"
    assert desk.view("ann", 0)["mask"] is None and desk.view("ann", 3)["mask"] is None


def test_positions_are_turned_into_samples(desk: Desk, study: Study) -> None:
    order = desk.places["bob"][0].order
    for position in range(4):
        answer = desk.score("bob", 0, position, "text", position)
    assert [(line["image"], line["score"]) for line in study.lines()] == list(zip(order, range(4)))
    assert answer["state"]["scores"] == {"text": [0, 1, 2, 3]} and answer["then"]["place"] == 1
    assert desk.view("bob", 0)["images"] == [desk.pictures.view("set-0")["images"][image] for image in order]


def test_the_log_says_whether_the_outline_was_on_the_screen(desk: Desk, study: Study) -> None:
    for given in ((0, 0, "text", 3, True), (1, 0, "mask", 3, True), (1, 0, "text", 3, False), (2, 0, "mask", 3)):
        desk.score("ann", *given)
    assert [line["outline_seen"] for line in study.lines()] == [None, True, False, None]
    with pytest.raises(InputError, match="outline_seen 'yes': expected true, false or null"):
        desk.score("ann", 1, 0, "mask", 3, "yes")


@pytest.mark.parametrize("bad", [6, -1, 3.5, 3.0, "3", "", None, True])
def test_what_is_no_score_is_refused_and_not_logged(desk: Desk, study: Study, bad: object) -> None:
    for given in ((0, 0, "text", bad), (0, bad if bad != 3 else 4, "text", 3), (bad if bad != 6 else 5, 0, "text", 3)):
        with pytest.raises(InputError):
            desk.score("ann", *given)
    with pytest.raises(InputError, match="aspect 'mask': this set is scored for text"):
        desk.score("ann", 0, 0, "mask", 3)
    assert study.lines() == []


def test_a_rater_goes_on_where_they_stopped(desk: Desk, study: Study) -> None:
    for position in range(4):
        desk.score("ann", 0, position, "text", 3)
    desk.score("ann", 1, 2, "mask", 5)
    assert desk.state("ann")["place"] == 1
    desk.score("ann", 0, 0, "text", 1)  # a correction does not move them
    before = desk.state("ann")
    assert before["place"] == 1 and before["done"] == 1 and before["scores"]["mask"] == [None, None, 5, None]
    desk.close()
    with closing(open_desk(study)) as again:
        assert again.state("ann") == before and again.state("ann", 0)["scores"] == {"text": [1, 3, 3, 3]}
        assert again.state("bob")["place"] == 0 and again.state("bob")["done"] == 0


def test_the_end_has_no_place(desk: Desk) -> None:
    for place in desk.places["ann"]:
        for aspect in place.aspects:
            for position in range(4):
                answer = desk.score("ann", place.number, position, aspect, 5)
    assert answer["then"] is None and answer["state"]["next"] is None
    end = {"place": None, "places": 5, "done": 5, "complete": True, "next": None}
    assert desk.state("ann") == end | {"study": "study", "rater": "ann", "origin": "", "minutes": 0.0}


def test_the_start_says_what_is_judged_and_shows_nothing_of_the_study(desk: Desk) -> None:
    start = desk.start("ann")
    assert (start["study"], start["rater"], start["places"]) == ("study", "ann", 5)
    assert [anchor["score"] for anchor in start["anchors"]] == [5, 4, 3, 2, 1, 0]
    assert len({anchor["picture"] for anchor in start["anchors"]}) == 6
    assert [one["aspects"] for one in start["training"]] == [["text"], ["mask"], ["text", "mask"]]
    seen = {image for place in range(5) for image in desk.view("ann", place)["images"]}
    for one in start["training"]:
        assert len(one["images"]) == len(one["why"]) == 4 and (one["mask"] is None) == ("mask" not in one["aspects"])
        assert {aspect: len(scores) for aspect, scores in one["wanted"].items()} == dict.fromkeys(one["aspects"], 4)
        assert not seen & set(one["images"])


def test_examples_are_worse_from_score_to_score() -> None:
    """The mean squared distance to the film rises as the score falls, from 0 for the film itself."""
    film = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    far = [float(np.mean((degraded(film, score).astype(float) - film) ** 2)) for score in (5, 4, 3, 2, 1, 0)]
    assert far[0] == 0 and far == sorted(far) and len(set(far)) == 6
    assert (degraded(film, 2) == degraded(film, 2)).all()


def test_outlines_are_told_apart_without_colour_vision_and_by_their_dashes() -> None:
    """Machado's matrices of full protanopia, deuteranopia and tritanopia, on linear light; distances in sRGB of 0 to 255.

    Where two colours come nearer than 40, their dashes differ, as all dashes do.
    """
    matrices = {
        "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
        "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    }  # fmt: skip
    styles = [*OUTLINES.values(), OTHER_OUTLINE]
    assert len({dash for _, dash in styles}) == len(styles)
    colours = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour, _ in styles]) / 255
    light = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    names = [*OUTLINES]
    lungs, heart, air = names.index("lungs"), names.index("heart"), names.index("pneumothorax")
    for matrix in matrices.values():
        seen = np.clip(light @ np.array(matrix).T, 0, 1)
        shown = 255 * np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        assert shown.max(axis=1).min() > 90  # none is lost on a dark film
        for one, other in ((lungs, heart), (lungs, air)):  # those that stand side by side in nearly every mask
            assert np.linalg.norm(shown[one] - shown[other]) > 40


def test_remarks_are_kept_with_the_scores(desk: Desk, study: Study) -> None:
    order = desk.places["ann"][1].order
    desk.remark("ann", 1, 2, "not_chest", True)
    desk.remark("ann", 1, None, "comment", "two\nlines }")
    state = desk.remark("ann", 1, 0, "unsure", True)
    assert state["remarks"] == {
        "not_chest": [False, False, True, False], "unsure": [True, False, False, False], "comment": "two lines )",
    }  # fmt: skip
    assert [line["image"] for line in study.lines()] == [order[2], None, order[0]] and state["done"] == 0
    for bad in ((1, 4, "unsure", True), (1, 0, "unsure", 1), (1, 0, "liked", True), (9, 0, "unsure", True)):
        with pytest.raises(InputError):
            desk.remark("ann", *bad)
    desk.remark("ann", 1, 2, "not_chest", False)
    desk.close()
    with closing(open_desk(study)) as again:
        told = again.state("ann", 1)["remarks"]
        assert told["not_chest"] == [False] * 4 and told["unsure"][0] and told["comment"] == "two lines )"


def test_the_minutes_left_go_by_the_raters_own_pace() -> None:
    """Scores every 6 s, and a break of an hour: ten scores take a minute."""
    pace, moment = Pace(), 1000.0
    assert pace.minutes(10) is None
    for gap in (0, 6, 6, 3600, 6, 6, 6):
        moment += gap
        pace.scored(moment)
    assert pace.minutes(10) == 1.0 and pace.minutes(0) == 0.0


def test_one_app_a_log(desk: Desk, study: Study) -> None:
    with pytest.raises(InputError, match="another rating app serves this log"):
        open_desk(study)


def test_a_log_of_other_assignments_is_refused(desk: Desk, study: Study) -> None:
    desk.score("ann", 0, 0, "text", 3)
    desk.close()
    table = pd.read_parquet(study.folder / "assignments.parquet")
    table["place"] = 4 - table["place"]
    table.to_parquet(study.folder / "assignments.parquet")
    with pytest.raises(InputError, match="ratings.jsonl:1: ann rated set-0 .shared. at place 0, which the assignments"):
        open_desk(study)
