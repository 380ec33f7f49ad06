"""The rating app without a browser: places, the desk, tokens, what the server lets through, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.desk import Desk
from scripts.lib.feedback.app.pictures import Pictures
from scripts.lib.feedback.app.places import Place, count_done, is_complete, next_open, on_screen, read_places
from scripts.lib.feedback.app.tokens import find_rater, load_tokens
from scripts.lib.feedback.log import RatingLog, read_ratings
from scripts.rate_images import main
from tests.helpers.rating_toy import ROOT, Study, write_study

TEXT, BOTH = Place(0, "a", "own", ("text",), (2, 0, 3, 1)), Place(1, "b", "shared", ("text", "mask"), (0, 1, 2, 3))
LAST = Place(2, "c", "repeat", ("mask",), (3, 2, 1, 0))
PLACES = [TEXT, BOTH, LAST]


def full(place: Place) -> dict[tuple[int, int, str], int]:
    return {(place.number, image, aspect): 3 for image in range(4) for aspect in place.aspects}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return write_study(tmp_path / "a study")


def open_desk(study: Study) -> Desk:
    cohort = Cohort.open(study.folder / "cohort")
    pool = Cohort.open([study.folder / "pool/shard-0"])
    pictures = Pictures(pd.read_parquet(study.folder / "sets.parquet"), pool, [cohort], "sets.parquet")
    assignments = pd.read_parquet(study.folder / "assignments.parquet")
    return Desk(read_places(assignments, pictures.sets, "assignments.parquet"), pictures, RatingLog(study.log))


@pytest.fixture
def desk(study: Study) -> Iterator[Desk]:
    with closing(open_desk(study)) as own:
        yield own


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
    assert [line["outline"] for line in study.lines()] == [None, True, False, None]
    with pytest.raises(InputError, match="outline 'yes': expected true, false or null"):
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
    assert desk.state("ann") == {"place": None, "places": 5, "done": 5, "complete": True, "next": None}


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


def test_tokens_are_made_once_and_kept_closed(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    first = load_tokens(path, ["ann", "bob"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and min(map(len, first.values())) >= 32
    more = load_tokens(path, ["bob", "cem"])
    assert more["bob"] == first["bob"] and set(more) == {"bob", "cem"}
    assert find_rater(more, more["cem"]) == "cem"
    assert [find_rater(more, wrong) for wrong in ("", "é", first["ann"], more["bob"][:-1])] == [None] * 4
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        load_tokens(path, ["bob"])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"bob": ""}', '{"bob": 5}', json.dumps({"ann": "x" * 32, "bob": "x" * 32})]
)
def test_a_broken_file_of_tokens(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens.json"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(InputError, match="remove it to make new tokens"):
        load_tokens(path, ["bob"])


@pytest.fixture
def closed_loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """gradio leaves event loops open; the collector would complain of them in whatever test comes next."""
    made, new_event_loop = list[asyncio.AbstractEventLoop](), asyncio.new_event_loop

    def remembered() -> asyncio.AbstractEventLoop:
        made.append(new_event_loop())
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", remembered)
    yield
    asyncio.set_event_loop(None)
    for loop in made:
        loop.close()


@pytest.mark.usefixtures("closed_loops")
def test_what_the_server_lets_through(desk: Desk, study: Study) -> None:
    pytest.importorskip("gradio", reason="the rating app needs gradio")
    from starlette.testclient import TestClient

    from scripts.lib.feedback.app.server import make_app

    tokens = {"ann": "a" * 32, "bob": "b" * 32}
    client = TestClient(make_app(desk, tokens), raise_server_exceptions=False)
    own, other = {"x-token": tokens["ann"]}, {"x-token": tokens["ann"][:-1] + "b"}
    page = client.get("/", params={"token": tokens["ann"]})
    assert page.status_code == 200 and "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store" and tokens["ann"] not in page.text
    assert [client.get("/", params=given).status_code for given in ({}, {"token": ""}, {"token": "é"})] == [403] * 3
    for path in ("/rate/state", "/rate/set?place=0"):
        assert client.get(path, headers=own).status_code == 200
        assert client.get(path).status_code == client.get(path, headers=other).status_code == 403
    secret = study.folder / "ratings.tokens.json"
    for path in (
        "/config", "/gradio_api/info", f"/gradio_api/file={secret}", f"/file={secret}", f"/static/..%2f..%2f{secret}",
        "/gradio_api/upload_progress", "/gradio_api/proxy=http://example.org", "/monitoring", "/docs", "/openapi.json",
        "/gradio_api/queue/data", "/login_check", "/file=config.yaml", "/gradio_api/file=config.yaml",
        f"/gradio_api/file={ROOT}/config.yaml", "/gradio_api/file/config.yaml", "/config.yaml", "/static//etc/passwd",
        "/assets//etc/passwd", "/assets/%2e%2e/%2e%2e/blocks.py",
    ):  # fmt: skip
        assert client.get(path, headers=own).status_code in (403, 404), path
    for path in ("/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/component_server", "/login", "/"):
        assert client.post(path, headers=own).status_code == 404, path

    score = {"place": 0, "image": 0, "aspect": "text", "score": 4}
    assert client.post("/rate/score", json=score).status_code == 403
    assert client.post("/rate/score", json=score, headers=other).status_code == 403
    assert client.get("/rate/score", headers=own).status_code == 405
    assert client.post("/rate/score", json=score | {"more": "x" * 5000}, headers=own).status_code == 413
    for bad in (6, -1, 3.5, "", "3", None, True, [1]):
        answer = client.post("/rate/score", json=score | {"score": bad}, headers=own)
        assert answer.status_code == 422 and "score" in answer.json()["error"]
    assert client.post("/rate/score", json=[score], headers=own).status_code == 422
    assert study.lines() == []
    for _ in range(2):
        assert client.post("/rate/score", json=score, headers=own).json()["state"]["scores"]["text"][0] == 4
    assert len(study.lines()) == 2 and len(read_ratings(study.log)[0]) == 1
    study.log.unlink()
    study.log.mkdir()
    failed = client.post("/rate/score", json=score, headers=own)
    assert failed.status_code == 503 and "not saved" in failed.json()["error"]


def test_a_taken_port_is_one_line(study: Study) -> None:
    pytest.importorskip("gradio", reason="the rating app needs gradio")
    from scripts.lib.feedback.app.server import listen

    with listen("127.0.0.1", 0) as sock, pytest.raises(InputError, match="choose another --port"):
        main(study.arguments(sock.getsockname()[1]))
