"""The questionnaire in a real browser: a rater answers film and pair forms, corrects one, and goes on after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.lib.core.phantom import LINE, VARIABLE
from tests.helpers.chromium import in_browser
from tests.helpers.form_toy import AskedStudy, write_questionnaire
from tests.helpers.page_audit import AUDIT
from tests.helpers.rating_toy import Server

playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
pytestmark = in_browser
PATIENCE = 60000  # ms; a machine full of other work is slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, forked_jobs: str) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "children")
        folder = write_questionnaire(
            tmp_path_factory.mktemp("asked"), ("ann", "tim"), films=2, pairs=2, repeat_share=0.0
        )
    running = Server(AskedStudy(folder), forked_jobs)
    yield running
    running.stop()


def wait(page: Any, place: int | str) -> None:
    page.wait_for_selector(f'.desk[data-place="{place}"][data-ready="true"]', timeout=PATIENCE)


def saved(page: Any) -> None:
    playwright.expect(page.locator(".desk .waiting")).to_have_count(0, timeout=PATIENCE)


def test_a_rater_answers_corrects_and_goes_on_after_a_crash(server: Server, chromium: Any) -> None:
    page, wrong = chromium.new_page(viewport={"width": 1280, "height": 800}), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(server.url("ann"))
    wait(page, "start")
    assert "There are 4 forms" in page.inner_text(".start") and "The same <b>child</b>?" in page.inner_text(".start")
    assert "1 no · 2 well · 3 yes" in page.inner_text(".start") and page.evaluate(AUDIT) == []
    assert page.inner_text(".start .drawn") == f"{LINE}."
    page.click("text=Begin")
    shown = set()
    for place in range(4):
        wait(page, place)
        films = page.locator(".films section:visible").count()
        shown.add(films)
        assert page.locator(".question").count() == 3 and films in (1, 3)
        assert page.inner_text(".origin:visible") == "PHANTOM"
        heading = page.inner_text(".prompt")
        assert heading == "What do you see?" if films == 1 else heading.startswith("Pneumonia is to be ")
        assert page.evaluate(AUDIT) == []
        page.keyboard.press("Enter")
        assert "3 of 3 answers missing" in page.inner_text(".notice")
        for _ in range(3):
            page.keyboard.press("1")
        saved(page)
        if place == 1:  # a crash between two forms costs nothing
            server.stop()
            server.start()
            page.goto(server.url("ann"))
            wait(page, 2)
            page.keyboard.press("Backspace")
            wait(page, 1)
            page.locator(".question").nth(2).locator("button").nth(1).click()
            saved(page)
        page.keyboard.press("Enter")
    wait(page, "end")
    lines = server.study.lines()
    assert shown == {1, 3} and len(lines) == 13 and wrong == []
    assert [line["place"] for line in lines] == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert lines[6]["question"] == lines[5]["question"] and lines[6]["answer"] in ("no", 2)
    assert {str(line["answer"]) for number, line in enumerate(lines) if number != 6} == {"yes", "normal", "1"}
    page.close()


def test_a_phone_shows_all_of_a_form(server: Server, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto(server.url("tim"))
    wait(page, "start")
    page.click("text=Begin")
    shown = []
    for place in range(4):
        wait(page, place)
        assert page.evaluate(AUDIT) == []
        page.locator(".question button").last.scroll_into_view_if_needed()
        shown.append(page.locator(".films section:visible").count())
        assert page.locator(".films canvas:visible").first.bounding_box()["width"] > 180
        page.keyboard.press("PageDown")
    assert sorted(shown) == [1, 1, 3, 3]
    page.close()
