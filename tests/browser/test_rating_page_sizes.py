"""The rating page at the sizes of a reading room, a laptop and a phone: start, training, sets, and who can use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.chromium import in_browser
from tests.helpers.page_audit import AUDIT
from tests.helpers.rating_tab import Tab, own
from tests.helpers.rating_toy import Server, write_study

pytestmark = in_browser
SIZES = {"room": (1920, 1080), "laptop": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, forked_jobs: str) -> Iterator[Server]:
    running = Server(
        write_study(tmp_path_factory.mktemp("sizes") / "toy study", raters=(*SIZES, "marks"), drawn=True), forked_jobs
    )
    yield running
    running.stop()


def open_page(chromium: Any, server: Server, rater: str, size: tuple[int, int]) -> Tab:
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, has_touch=size[0] < 700)
    tab = Tab.__new__(Tab)
    tab.page, tab.asked, tab.wrong = context.new_page(), [], []
    tab.page.on("pageerror", lambda error: tab.wrong.append(str(error)))
    tab.page.on("console", lambda told: told.type == "error" and tab.wrong.append(told.text))
    tab.page.goto(server.url(rater))
    tab.wait("start")
    return tab


@pytest.mark.parametrize("name", ["room", pytest.param("laptop", marks=pytest.mark.long), "phone"])
def test_a_rater_reads_trains_and_rates(name: str, server: Server, chromium: Any) -> None:
    """Nothing of the training is counted; every page passes the audit; a phone shows one image at a time."""
    ann = open_page(chromium, server, name, SIZES[name])
    assert "toy study" in ann.page.inner_text(".start h1") and name in ann.page.inner_text(".start")
    assert ann.page.locator(".anchors section").count() == 6
    assert 0 < ann.page.locator(".start h1").bounding_box()["y"] < SIZES[name][1] / 2  # it begins at its heading
    assert "PHANTOM: films drawn by the workflow, no evidence about patients" in ann.page.inner_text(".start")
    assert ann.page.evaluate(AUDIT) == []
    ann.page.click("text=Three training sets")
    for number, keys in enumerate(("2531", "2503", "55252500")):
        ann.wait(f"training-{number}")
        assert ann.page.evaluate(AUDIT) == [] and ann.page.inner_text(".origin:visible") == "PHANTOM"
        ann.keys(keys)
        assert "Meant: " in ann.page.locator(".why").first.text_content()
        ann.keys(["Enter"])
    ann.wait(0)
    assert own(server.study, name) == []
    assert ann.page.evaluate(AUDIT) == [] and ann.page.inner_text(".origin:visible") == "PHANTOM"
    shown = ann.page.locator(".desk section:visible")
    assert shown.count() == (1 if name == "phone" else 4)
    if name == "phone":
        for position in range(4):
            ann.page.locator(".tabs button").nth(position).tap()
            assert shown.get_attribute("aria-label") == f"Image {position + 1}"
            ann.page.locator(f'.scores button[data-image="{position}"][data-score="4"]').tap()
    else:
        ann.keys("4444")
    ann.wait(1)
    assert [line["score"] for line in own(server.study, name)] == [4] * 4
    box = ann.page.locator(".desk canvas:visible").first.bounding_box()
    assert min(box["width"], box["height"]) > 180, box
    assert ann.page.evaluate(AUDIT) == [] and ann.wrong == []


def test_flags_comment_pace_and_guide(server: Server, chromium: Any) -> None:
    ann = open_page(chromium, server, "marks", SIZES["laptop"])
    ann.page.keyboard.press("Tab")  # from the button that has the focus to the next
    ann.page.keyboard.press("Enter")
    ann.wait(0)
    assert "toy study · marks" in ann.page.inner_text(".who") and ann.page.inner_text(".left") == ""
    held: list[Any] = []  # the first remark takes long on its way, and stays the first
    ann.page.route("**/rate/remark", lambda route: route.continue_() if held else held.append(route))
    ann.keys("nu")
    ann.until(lambda: bool(held))
    ann.page.wait_for_timeout(300)  # time for the second to overtake it, if it could
    held[0].continue_()
    ann.page.click('.flags[data-image="2"] [data-flag="unsure"]')
    ann.page.fill("#comment", "dark\tat the {apex}")
    ann.page.keyboard.press("Escape")
    ann.keys("12")
    ann.saved()
    ann.page.wait_for_selector('.desk[data-remarking="0"]')
    told = [line for line in own(server.study, "marks") if "remark" in line]
    order = [line["image"] for line in own(server.study, "marks") if "score" in line]
    assert [(line["remark"], line["value"]) for line in told] == [
        ("not_chest", True), ("unsure", True), ("unsure", True), ("comment", "dark at the (apex)"),
    ]  # fmt: skip
    assert told[0]["image"] == told[1]["image"] == order[0] and told[3]["image"] is None
    ann.keys("34")
    ann.wait(1)
    ann.keys("5")
    ann.saved()
    assert ann.page.inner_text(".left").startswith("about ") and "min left" in ann.page.inner_text(".left")
    assert ann.page.locator('.flag[aria-pressed="true"]').count() == 0
    ann.keys(["Backspace"])
    ann.wait(0)
    assert ann.page.locator('.flag[aria-pressed="true"]').count() == 3
    assert ann.page.input_value("#comment") == "dark at the (apex)"
    ann.keys("g")
    ann.wait("start")
    ann.page.click("text=Back to the sets")
    ann.wait(1)
    assert ann.wrong == []
