"""From a sentence to a film in a real browser: it appears, is painted on, dragged, drawn again and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.chromium import in_browser
from tests.helpers.draw_toy import DrawnStudy, write_models
from tests.helpers.page_audit import AUDIT
from tests.helpers.rating_toy import Server

pytestmark = in_browser
PATIENCE = 60000  # ms; a machine full of other work is slow
STAGES = """() => {
  window.stages = [];
  const desk = document.querySelector(".desk");
  new MutationObserver(() => window.stages.push(desk.dataset.stage)).observe(desk, { attributeFilter: ["data-stage"] });
}"""
FLUID = 4  # the bit of pleural effusion


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, forked_jobs: str) -> Iterator[Server]:
    running = Server(DrawnStudy(write_models(tmp_path_factory.mktemp("drawn"))), forked_jobs, command="draw_prompts")
    yield running
    running.stop()


def stage(page: Any, name: str) -> None:
    page.wait_for_selector(f'.desk[data-stage="{name}"]', timeout=PATIENCE)


def kept(folder: Path, number: int) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    own = folder / "drawn" / f"film-{number}"
    read = [np.asarray(Image.open(own / name)) for name in ("mask_bits.png", "image.png")]
    return read[0], read[1], json.loads((own / "film.json").read_text())


def keep(page: Any, number: int) -> None:
    page.keyboard.press("k")
    page.wait_for_selector(f'.notice:has-text("film-{number}")', timeout=PATIENCE)


def point(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a point of the mask of 32 pixels lies on the screen, all of it being shown."""
    box = page.locator(".films canvas").first.bounding_box()
    scale = min(box["width"], box["height"]) / 32
    return box["x"] + box["width"] / 2 + (x - 16) * scale, box["y"] + box["height"] / 2 + (y - 16) * scale


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*point(page, *start))
    page.mouse.down()
    page.mouse.move(*point(page, *end), steps=4)
    page.mouse.up()


def test_a_person_draws_paints_drags_and_keeps(server: Server, chromium: Any) -> None:
    page, wrong = chromium.new_page(viewport={"width": 1280, "height": 800}), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(server.url("draw"))
    stage(page, "empty")
    assert "Nobody has said that it is right" in page.inner_text(".told") and page.evaluate(AUDIT) == []
    page.fill(".sentence", "right pleural effusion")
    page.evaluate(STAGES)
    page.keyboard.press("Enter")
    stage(page, "shown")
    assert page.evaluate("window.stages") == ["asked", "anatomy", "findings", "image", "shown"]
    assert "The mask shows" in page.inner_text(".told") and page.evaluate(AUDIT) == []
    assert page.locator('.told li[data-vote="null"]').count() == 4  # nobody voted, and each says why
    assert page.get_attribute('[data-bit="4"]', "aria-pressed") == "true"  # what was asked for is what the brush paints
    keep(page, 1)
    first, image, told = kept(server.study.folder, 1)
    assert told["asked"] == {"pleural_effusion": "right"}

    page.keyboard.press("e")
    for row in range(1, 32, 2):  # wipe all fluid
        drag(page, (1, row), (31, row))
    page.keyboard.press("b")
    for row in (5, 8):  # about 14 x 7 pixels; a finding of less than 60 does not count as shown
        drag(page, (4, row), (14, row))
    stage(page, "edited")
    assert page.locator("section.stale").count() == 1 and page.inner_text("nav button:last-child") == "Draw the image"
    page.keyboard.press("k")  # what is not drawn yet is not kept
    page.wait_for_selector('.notice:has-text("Draw it first")', timeout=PATIENCE)
    page.keyboard.press("d")
    stage(page, "shown")
    keep(page, 2)
    painted, changed, told = kept(server.study.folder, 2)
    rows, columns = np.nonzero(painted & FLUID)
    assert np.array_equal(painted & 0xFB, first & 0xFB) and painted[6, 8] & FLUID
    assert rows.min() >= 3 and rows.max() <= 10 and columns.min() >= 1 and columns.max() <= 16
    assert "pleural_effusion" in told["shown"] and changed.shape == image.shape

    page.keyboard.press("v")
    drag(page, (8, 6), (18, 16))  # ten pixels to the right and down
    page.keyboard.press("d")
    stage(page, "shown")
    keep(page, 3)
    moved = kept(server.study.folder, 3)[0]
    assert np.array_equal(np.roll(painted & FLUID, (10, 10), (0, 1)), moved & FLUID)
    page.keyboard.press("u")
    stage(page, "edited")
    page.keyboard.press("d")
    stage(page, "shown")
    keep(page, 4)
    back = kept(server.study.folder, 4)
    assert np.array_equal(back[0], painted) and np.array_equal(back[1], changed)  # the same mask, the same noise
    page.evaluate("window.stages.length = 0")
    page.keyboard.press("d")  # another image of the same mask
    for _ in range(PATIENCE // 100):
        if page.evaluate("window.stages.at(-1)") == "shown":
            break
        page.wait_for_timeout(100)
    keep(page, 5)
    again = kept(server.study.folder, 5)
    assert np.array_equal(again[0], painted) and not np.array_equal(again[1], changed) and again[2]["sample"] == 1
    assert wrong == []
    page.close()


def test_what_cannot_be_read_is_said_in_one_line_and_a_phone_shows_all(server: Server, chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto(server.url("draw"))
    stage(page, "empty")
    for text, words in (
        ("", "prompt: empty"),
        ("left cardiomegaly", "cardiomegaly has no side"),
        ("word " * 2000, "prompt: 9999 characters"),
        ("<img src=x onerror='window.stolen = 1'>", "is no finding of this model"),
    ):
        page.fill(".sentence", text)
        page.press(".sentence", "Enter")
        page.wait_for_selector(f'.notice.bad:has-text("{words}")', timeout=PATIENCE)
        assert page.get_attribute(".sentence", "aria-invalid") == "true" and page.evaluate("window.stolen") is None
    page.fill(".sentence", "cardiomegaly")
    page.press(".sentence", "Enter")
    stage(page, "shown")
    assert page.evaluate(AUDIT) == []
    page.locator(".told li").last.scroll_into_view_if_needed()
    page.close()
