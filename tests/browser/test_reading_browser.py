"""The reading study in a real browser: the outline appears when the film was judged, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_forms_browser import PATIENCE, saved, wait
from tests.helpers.chromium import in_browser
from tests.helpers.form_toy import AskedStudy
from tests.helpers.page_audit import AUDIT
from tests.helpers.rating_toy import Server
from tests.helpers.reading_toy import TOLD, write_reading

pytestmark = in_browser
# Pixels of the film's canvas that have a colour: the film is grey, the outline is not.
COLOURED = """() => {
  const canvas = document.querySelector(".films canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let k = 0; k < data.length; k += 4) if (Math.max(data[k], data[k + 1], data[k + 2]) - Math.min(data[k], data[k + 1], data[k + 2]) > 60) found++;
  return found;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, forked_jobs: str) -> Iterator[Server]:
    folder = write_reading(tmp_path_factory.mktemp("read"), ("ann",), films=4, repeat_share=0.0)
    running = Server(AskedStudy(folder), forked_jobs)
    yield running
    running.stop()


def test_a_reader_judges_the_film_and_then_its_outline(server: Server, chromium: Any) -> None:
    page, wrong = chromium.new_page(viewport={"width": 1280, "height": 800}), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(server.url("ann"))
    wait(page, "start")
    assert TOLD in page.inner_text(
        ".start"
    ) and "With the outline of what is marked on it: How useful" in page.inner_text(".start")
    assert page.evaluate(AUDIT) == []
    page.click("text=Begin")
    for place in range(4):
        wait(page, place)
        assert page.locator(".question:visible").count() == 1 and page.evaluate(COLOURED) == 0
        assert not page.is_visible(".legend")
        page.keyboard.press("0" if place else "4")  # the number of the scale, not the place of the answer
        page.wait_for_selector('.desk[data-part="2"]', timeout=PATIENCE)
        assert page.locator(".question:visible").count() == 2 and page.evaluate(COLOURED) > 100
        assert "lungs" in page.inner_text(".legend") and page.evaluate(AUDIT) == []
        page.keyboard.down("m")
        assert page.evaluate(COLOURED) == 0
        page.keyboard.up("m")
        assert page.evaluate(COLOURED) > 100
        page.keyboard.press("5")
        saved(page)
        if place == 0:  # what was said without the outline stays
            page.locator('.question[data-question="authentic"] button').first.click()
            page.wait_for_selector('.notice.bad:has-text("so it stays as it is")', timeout=PATIENCE)
            wait(page, 0)
            page.wait_for_timeout(300)  # it stays where the film is there again
            assert "so it stays as it is" in page.inner_text(".notice.bad")
        page.keyboard.press("Enter")
    wait(page, "end")
    lines = server.study.lines()
    assert [(line["question"], line["answer"]) for line in lines] == [
        *[("authentic", 4), ("overlay", 5)], *[("authentic", 0), ("overlay", 5)] * 3
    ]  # fmt: skip
    assert wrong == []
    page.close()


def test_a_phone_shows_film_outline_and_questions(server: Server, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto(server.url("ann"))
    wait(page, "end")
    page.keyboard.press("Backspace")
    wait(page, 3)
    assert page.evaluate(AUDIT) == [] and page.locator(".films canvas:visible").first.bounding_box()["width"] > 180
    page.locator(".question button").last.scroll_into_view_if_needed()
    page.close()
