"""A tab of a rater in a real browser, and what the log holds of a rater."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scripts.lib.feedback.log import read_ratings
from tests.helpers.rating_toy import Study

playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
REFUSAL = "Content Security Policy"  # what the browser says of whatever the page's policy refuses
PATIENCE = 60000  # ms that a test waits for the page; a machine full of other work is slow


class Tab:
    """One tab of a rater; it collects what the page asked for and what went wrong in it."""

    def __init__(self, context: Any, url: str) -> None:
        self.page = context.new_page()
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self.hear)
        self.page.goto(url)
        self.begin()

    def hear(self, told: Any) -> None:
        """Keep what the browser says of the page's policy; a server that is down also says something, and is no fault."""
        if REFUSAL in told.text:
            self.wrong.append(told.text)

    def begin(self) -> None:
        """Go past the start page, which is there as long as nothing is scored."""
        self.page.wait_for_selector('.desk[data-ready="true"]', timeout=PATIENCE)
        if self.page.get_attribute(".desk", "data-place") == "start":
            self.page.click("text=Begin without training")

    def wait(self, place: int | str) -> None:
        self.page.wait_for_selector(f'.desk[data-place="{place}"][data-ready="true"]', timeout=PATIENCE)

    def keys(self, keys: str | list[str]) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self) -> None:
        """Wait until the server has confirmed every score."""
        self.count(".desk .waiting", 0)

    # The page's policy refuses code in strings, and so the polling of wait_for_function: what follows asks by selectors.
    def count(self, selector: str, number: int) -> None:
        """Wait until the page holds `number` nodes of a selector."""
        playwright.expect(self.page.locator(selector)).to_have_count(number, timeout=PATIENCE)

    def says(self, selector: str, text: str) -> None:
        """Wait until the first node of a selector holds a text."""
        playwright.expect(self.page.locator(selector).first).to_contain_text(text, timeout=PATIENCE)

    def says_no_more(self, selector: str, text: str) -> None:
        """Wait until the first node of a selector no longer holds a text."""
        playwright.expect(self.page.locator(selector).first).not_to_contain_text(text, timeout=PATIENCE)

    def until(self, there: Callable[[], bool]) -> None:
        """Wait until a condition outside of the page holds, while the page goes on."""
        for _ in range(PATIENCE // 20):
            if there():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"not within {PATIENCE / 1000:g} s")

    def pressed(self, aspect: str = "text") -> list[int]:
        """Return the scores that the page shows, in the order of the images."""
        return self.page.eval_on_selector_all(
            f'.scores button[data-aspect="{aspect}"][aria-pressed="true"]',
            "all => all.map((one) => Number(one.dataset.score))",
        )


def own(study: Study, rater: str) -> list[dict[str, Any]]:
    return [line for line in study.lines() if line["rater"] == rater]


def counted(study: Study, rater: str) -> dict[tuple[int, int, str], int]:
    """Return {(place, sample, aspect): the score that counts}."""
    latest = read_ratings(study.log)[0]
    rows = latest[latest["rater"] == rater].itertuples()
    return {(row.place, row.image, row.aspect): row.score for row in rows}
