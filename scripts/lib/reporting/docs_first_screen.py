"""What the README begins with, made from a run: masks beside their images, the report's first screen, and its answer in words.

What a run has not made is left as it was: the report, a pool with masks, a browser.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.core.json_files import read_json
from scripts.lib.reporting.page.words import listed
from scripts.lib.study.reported import PAGE, RECORD

POOL, STRUCTURE = "candid/pools/original/fraction-0.1", "pneumothorax"
PAIRS = 7
SCREEN = (1180, 820)  # pixels, width before height
ABOUT = "Phantom: films and images of 64 pixels that teach nothing about patients. Images of one run of the embedded study, not chosen by eye."


def first_screen(results: Path) -> dict[str, bytes]:
    """Return {name in docs/: PNG} of what can be made of a results folder."""
    pictures = {"pairs.png": pairs_picture(results), "report.png": report_picture(results)}
    return {name: content for name, content in pictures.items() if content}


def pairs_picture(results: Path) -> bytes:
    """Return masks beside images of the embedded study's pool with masks, b"" without it."""
    folder = results / POOL
    if not any(folder.glob("shard-*")):
        return b""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.plotting.pairs import draw_pairs, pick_pairs
    from scripts.lib.pools.places import pool_place

    pool = Cohort.open(pool_place(folder).shards)
    rows = pick_pairs(pool, STRUCTURE, PAIRS)
    picture = draw_pairs(pool.masks(rows), pool.images(rows), pool.structures, ABOUT)
    content = io.BytesIO()
    picture.quantize(256).save(content, "PNG", optimize=True)
    return content.getvalue()


def report_picture(results: Path) -> bytes:
    """Return the first screen of results/report.html as Chromium shows it, b"" without the page or a browser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None or not (results / PAGE).is_file():
        return b""
    try:
        from playwright.sync_api import ViewportSize, sync_playwright
    except ImportError:
        return b""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport=ViewportSize(width=SCREEN[0], height=SCREEN[1]), color_scheme="light")
        page.goto((results / PAGE).resolve().as_uri())
        shown = page.screenshot()
        chromium.close()
    from PIL import Image

    content = io.BytesIO()
    Image.open(io.BytesIO(shown)).convert("RGB").quantize(128).save(content, "PNG", optimize=True)
    return content.getvalue()


def answer_facts(results: Path) -> dict[str, dict[str, Any]]:
    """Return {"answer": what the report says}: the headline, the trials, the states of its lines, and what it says of copies.

    Nothing without a report.
    """
    if not (results / RECORD).is_file():
        return {}
    record = read_json(results / RECORD, "the record of a report")
    states = [one["state"] for one in record["lines"]]
    return {
        "answer": {
            "headline": record["headline"],
            "trials": sorted({one["n_trials"] for one in record["comparisons"]}),
            "lines": {state: states.count(state) for state in ("green", "amber", "red", "grey")},
            "copies": next(
                (one["reason"] for one in record["lines"] if one["key"] == "copies" and one["state"] != "grey"), ""
            ),
        }
    }


def answer_text(facts: Mapping[str, Any]) -> str:
    """Return the paragraph: the answer of one run, how many trials it rests on, and what its page says of its trust."""
    few = f" Each comparison has {facts['trials'][0]} trials, which is few." if facts["trials"][:1] < [5] else ""
    words = {"green": ("holds", "hold"), "amber": ("is in doubt", "are in doubt"), "red": ("fails", "fail")}
    words["grey"] = ("was not measured", "were not measured")
    counts = {state: facts["lines"][state] for state in words}
    parts = [f"{n} {words[state][n != 1]}" for state, n in counts.items() if n]
    trust = f" Of {sum(counts.values())} statements that have to hold for this to be believed, {listed(parts)}."
    told = facts.get("copies", "").split(". ")[0].removesuffix(".")  # its first sentence: the page says the rest
    copies = f" Copies: {told[0].lower()}{told[1:]}." if told else ""
    return f"*One run of the embedded study (`make figure2`, `make figures`, `make evidence`), on phantom films. {facts['headline']}{few}{trust}{copies}*"
