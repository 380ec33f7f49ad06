"""The rating app in a real browser: nothing lost and nothing doubled, whatever raters, tabs and crashes do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.feedback.log import read_ratings
from tests.helpers.chromium import in_browser
from tests.helpers.rating_tab import PATIENCE, REFUSAL, Tab, counted, own
from tests.helpers.rating_toy import SCRIPT_PROMPT, Server, write_study

pytestmark = in_browser
RATERS = ("keys", "back", "one", "two", "tabs", "mouse", "look", "policy", "crash")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, forked_jobs: str) -> Iterator[Server]:
    """One server for all tests; each test is a rater of its own, so that none sees another's scores."""
    running = Server(write_study(tmp_path_factory.mktemp("rating"), side=32, raters=RATERS), forked_jobs)
    yield running
    running.stop()


@pytest.fixture
def tab(server: Server, chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a function that opens the page of a rater, in a context of its own or in a given one."""
    contexts = []

    def open_tab(rater: str, context: Any = None) -> Tab:
        if context is None:
            context = chromium.new_context(viewport={"width": 1280, "height": 800})
            contexts.append(context)
        return Tab(context, server.url(rater))

    yield open_tab
    for context in contexts:
        context.close()


def test_a_study_is_rated_by_keys_alone(server: Server, tab: Any) -> None:
    ann = tab("keys")
    ann.wait(0)
    assert ann.page.inner_text(".prompt") == SCRIPT_PROMPT and ann.page.evaluate("window.stolen") is None
    for place, keys in enumerate(("0123", "01234501", "5432", "1111", "2345")):
        ann.wait(place)
        ann.keys(keys)
    ann.wait("end")
    lines = own(server.study, "keys")
    assert [len([line for line in lines if line["place"] == place]) for place in range(5)] == [4, 8, 4, 4, 4]
    # rater number 0: the order of set 0 is [2, 0, 3, 1]; the set with both takes text and mask of each image in turn
    assert [(line["image"], line["score"]) for line in lines[:4]] == [(2, 0), (0, 1), (3, 2), (1, 3)]
    assert [line["aspect"] for line in lines[4:8]] == ["text", "mask", "text", "mask"]
    assert {line["aspect"] for line in lines[12:16]} == {"mask"} and lines[16]["role"] == "control"
    assert len(counted(server.study, "keys")) == len(lines) == 24
    # Sets 1 and 2 have a mask: its outline is there without a key.
    assert {(line["place"], line["outline_seen"]) for line in lines} == {
        (0, None),
        (1, True),
        (2, True),
        (3, None),
        (4, None),
    }
    for word in ("control", "shared", "set-", "film-"):
        assert word not in ann.page.inner_html(".desk")
    ann.page.reload()
    ann.wait("end")
    assert [url for url in ann.asked if not url.startswith((f"http://127.0.0.1:{server.port}/", "data:"))] == []
    assert ann.wrong == []


def test_reload_and_back_and_correct(server: Server, tab: Any) -> None:
    ann = tab("back")
    ann.wait(0)
    ann.keys("1234")
    ann.wait(1)
    ann.keys("55")
    ann.saved()
    ann.page.reload()
    ann.wait(1)
    assert ann.pressed("text") == [5] and ann.pressed("mask") == [5]
    ann.keys(["Enter"])
    assert "6 of 8 scores missing" in ann.page.inner_text(".notice")
    ann.keys(["Backspace"])
    ann.wait(0)
    assert ann.pressed() == [1, 2, 3, 4]
    ann.keys(["ArrowDown", "0"])  # the third image
    ann.saved()
    assert ann.pressed() == [1, 2, 0, 4]
    ann.keys(["Enter"])
    ann.wait(1)
    ann.keys("444444")
    ann.wait(2)
    assert len(own(server.study, "back")) == 13 and len(counted(server.study, "back")) == 12
    assert ann.wrong == []


def test_two_raters_in_two_browsers(server: Server, tab: Any) -> None:
    one, two = tab("one"), tab("two")
    one.wait(0)
    two.wait(0)
    for first, second in zip("1111", "4444"):
        one.keys(first)
        two.keys(second)
    one.wait(1)
    two.wait(1)
    assert set(counted(server.study, "one").values()) == {1} and set(counted(server.study, "two").values()) == {4}
    assert len(own(server.study, "one")) == len(own(server.study, "two")) == 4


def test_two_tabs_of_one_rater(server: Server, tab: Any) -> None:
    first = tab("tabs")
    first.wait(0)
    second = tab("tabs", first.page.context)
    second.wait(0)
    first.keys("12")
    first.saved()
    second.keys("5")  # the same image again: the latest counts
    second.count('.scores [aria-pressed="true"]', 2)
    assert second.pressed() == [5, 2]
    second.keys(["ArrowDown", "0", "0"])
    second.wait(1)
    first.keys("3")  # the first tab still shows the third image open
    first.wait(1)
    lines = own(server.study, "tabs")
    assert [line["score"] for line in lines] == [1, 2, 5, 0, 0, 3]
    assert sorted(counted(server.study, "tabs").values()) == [0, 2, 3, 5]
    assert first.wrong == second.wrong == []


def test_clicks_and_double_clicks(server: Server, tab: Any) -> None:
    ann = tab("mouse")
    ann.wait(0)
    for image in (3, 2, 1):
        ann.page.click(f'button[data-image="{image}"][data-score="{image}"]')
    ann.page.dblclick('button[data-image="0"][data-score="5"]')
    ann.wait(1)
    scores = counted(server.study, "mouse")
    assert sorted(scores.values()) == [1, 2, 3, 5] and {place for place, _, _ in scores} == {0}
    assert ann.pressed() == [] and len(own(server.study, "mouse")) in (4, 5)
    ann.page.click("text=Back")
    ann.wait(0)
    assert ann.pressed() == [5, 1, 2, 3]


def test_window_zoom_and_outline(server: Server, tab: Any) -> None:
    ann = tab("look")
    ann.wait(0)
    ann.keys(["PageDown"])
    ann.wait(1)
    pixels = "document.querySelector('.desk canvas').toDataURL()"
    outlined = ann.page.evaluate(pixels)
    ann.page.keyboard.down("m")
    plain = ann.page.evaluate(pixels)
    ann.page.keyboard.up("m")
    assert outlined != plain and ann.page.evaluate(pixels) == outlined
    ann.keys("o")
    lungs = ann.page.evaluate(pixels)
    assert ann.page.get_attribute(".legend button:has-text('lungs')", "aria-pressed") == "true"
    ann.keys("o")
    heart = ann.page.evaluate(pixels)
    ann.keys("o")
    assert len({plain, outlined, lungs, heart}) == 4 and ann.page.evaluate(pixels) == outlined
    home = ann.page.inner_text(".readout")
    drag(ann.page, 100, 100, -60, -40)
    ann.page.mouse.wheel(0, -400)
    ann.says_no_more(".readout", home[home.index("Scale") :])
    moved = ann.page.inner_text(".readout")
    assert moved.startswith("Level 108  Window 195  Scale ")
    # e to the power of 400 / 400 larger; the page shows whole numbers from 10 on
    scales = [float(text.split("Scale ")[1].split(":")[0]) for text in (home, moved)]
    assert scales[1] == pytest.approx(scales[0] * 2.718, rel=0.06)
    others = ann.page.eval_on_selector_all(".readout", "all => all.slice(1).map((one) => one.textContent)")
    assert set(others) == {home} and home.startswith("Level 128  Window 255")
    ann.keys(["PageDown"])
    ann.wait(2)
    assert ann.page.inner_text(".readout") == moved  # kept from set to set
    ann.keys(["Backspace"])
    ann.wait(1)
    ann.keys("r")
    assert ann.page.evaluate(pixels) == outlined
    ann.keys("w")
    assert "Window: dark parts" in ann.page.inner_text(".notice") and "Window 140" in ann.page.inner_text(".readout")
    ann.keys("p")
    assert ann.page.inner_text(".readout").endswith("Scale 1.0:1")
    ann.keys("rz")
    assert ann.page.locator(".desk section:visible").count() == 1
    ann.keys(["ArrowRight", "z"])
    assert ann.page.locator(".desk section:visible").count() == 4
    ann.page.keyboard.down("m")
    ann.keys("3")
    ann.page.keyboard.up("m")
    ann.saved()
    (line,) = own(server.study, "look")
    assert line["outline_seen"] is True and "outline" not in line  # it was seen before it was hidden
    assert ann.wrong == []


def drag(page: Any, x: float, y: float, right: float, down: float) -> None:
    """Drag the pointer from a place of the first image."""
    box = page.locator(".desk canvas").first.bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    page.mouse.move(box["x"] + x + right, box["y"] + y + down, steps=4)
    page.mouse.up()


def test_a_wrong_link_shows_nothing(server: Server, chromium: Any) -> None:
    page = chromium.new_page()
    for url in (server.url("one")[:-1], server.url("one").split("?")[0]):
        assert page.goto(url).status == 403
        assert page.locator(".desk").count() == 0 and "Copy the whole link" in page.inner_text("body")
    page.close()


def test_the_policy_refuses_code_and_other_hosts_and_a_test_sees_it(server: Server, tab: Any) -> None:
    ann = tab("policy")
    ann.wait(0)
    assert ann.wrong == []
    for attempt in (
        "setTimeout('window.stolen = 1')",
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.stolen = 1'}))",
        f"void fetch('http://localhost:{server.port}/').then(() => {{ window.stolen = 1; }}, () => {{}})",
    ):
        with ann.page.expect_console_message(lambda told: REFUSAL in told.text, timeout=PATIENCE):
            ann.page.evaluate(attempt)
    assert len(ann.wrong) >= 3 and ann.page.evaluate("window.stolen") is None


def test_killed_between_two_scores(server: Server, tab: Any) -> None:
    ann = tab("crash")
    ann.wait(0)
    ann.keys("12")
    ann.saved()
    server.stop()
    ann.keys("34")
    ann.says(".notice", "Not saved yet")
    assert ann.page.locator(".desk .waiting").count() == 2
    server.start()
    ann.wait(1)
    ann.saved()
    assert [line["score"] for line in own(server.study, "crash")] == [1, 2, 3, 4]
    ann.keys("5")
    ann.saved()
    server.stop()
    with server.study.log.open("a") as stream:
        stream.write('{"time": "2026-01-01T0')  # what a crash of the machine may leave
    server.start()
    ann.page.reload()
    ann.wait(1)
    assert ann.pressed() == [5]
    ann.keys("4")
    ann.saved()
    assert list(counted(server.study, "crash").values()).count(4) == 2
    assert read_ratings(server.study.log)[1].query("rater == 'crash'")["score"].tolist() == [1, 2, 3, 4, 5, 4]
    assert Path(server.study.folder / "server.txt").read_text().count("torn by a crash") == 1
