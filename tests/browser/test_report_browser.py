"""The report in a real browser: nothing asked for, nothing wrong, readable by keyboard, phone, paper and screen reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.lib.reporting.page.page import make_report, render
from tests.helpers.chromium import in_browser
from tests.helpers.report_tables import difference, study, write_results, write_table

pytestmark = in_browser

# What each kind of colour vision makes of linear red, green and blue: Machado, Oliveira and Fernandes (2009), severity 1; without
# any colour, luminance.
VERDICTS = ("helps", "harms", "no-difference", "undecided", "not-testable")
EYES = {
    "all colours": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "no colour": [[0.2126, 0.7152, 0.0722]] * 3,
}
# Every text's contrast with what lies behind it (WCAG 2.1: 4.5, large text 3), as eyes of a matrix see it; those that are too faint.
FAINT = """(eyes) => {
  const parse = (text) => { const c = text.match(/[\\d.]+/g).map(Number); return c.length < 4 ? [...c, 1] : c; };
  const light = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    const seen = eyes.map((row) => Math.min(1, Math.max(0, row[0] * f(r) + row[1] * f(g) + row[2] * f(b))));
    return 0.2126 * seen[0] + 0.7152 * seen[1] + 0.0722 * seen[2];
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(behind(element))].sort((x, y) => y - x);
    const size = Number.parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) faint.push(element.tagName + ": " + element.textContent.slice(0, 40));
  }
  return faint;
}"""
# A colour never stands alone: where one tells a state or verdict, a sign and a word tell it too, other ones for each.
COLOURED = """() => {
  const signs = new Map(), alone = [];
  for (const one of document.querySelectorAll(".tag, .mark, .grid td[class]:not(.alone):not(.not-run), ol.lines > li")) {
    const text = one.innerText.replace(/\\s+/g, " ").trim(), sign = text.match(/[✓!✕?▲▼≈○□]/)?.[0];
    const kind = one.className.replace(/^(tag|mark) /, "");
    if (!sign || !/[a-z]{4}/.test(text)) alone.push(one.outerHTML.slice(0, 100));
    if (signs.has(sign) && signs.get(sign) !== kind) alone.push(`${sign} says ${signs.get(sign)} and ${kind}`);
    signs.set(sign, kind);
  }
  return [alone, [...signs.values()]];
}"""
# What a screen reader needs: names, one main part, headings in order, captions, heads of columns, unique anchors that are there.
UNNAMED = """() => {
  const wrong = [];
  const name = (one) => (one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent || "").trim();
  for (const one of document.querySelectorAll("a, button, input, summary, [tabindex='0']")) if (!name(one)) wrong.push("no name: " + one.outerHTML.slice(0, 80));
  for (const one of document.querySelectorAll("img")) if (!one.alt || !one.complete || !one.naturalWidth) wrong.push("picture: " + one.alt);
  for (const one of document.querySelectorAll("table")) {
    if (!one.caption?.textContent.trim()) wrong.push("no caption");
    if ([...one.tHead.rows[0].cells].some((cell) => cell.scope !== "col" || !cell.textContent.trim())) wrong.push("heads of " + one.caption?.textContent);
  }
  for (const what of ["main", "header", "nav", "footer", "h1"]) if (document.querySelectorAll("body " + what).length !== 1) wrong.push("not one " + what);
  let level = 0;
  for (const one of document.querySelectorAll("h1, h2, h3, h4")) {
    const next = Number(one.tagName[1]);
    if (next > level + 1) wrong.push("heading jumps: " + one.textContent);
    level = next;
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id twice");
  for (const one of document.querySelectorAll("a[href^='#']")) if (!document.getElementById(one.getAttribute("href").slice(1))) wrong.push("link to nothing: " + one.href);
  for (const one of document.querySelectorAll("[aria-labelledby]")) if (!document.getElementById(one.getAttribute("aria-labelledby"))) wrong.push("label: " + one.outerHTML.slice(0, 60));
  if (!document.documentElement.lang || !document.title) wrong.push("no language or title");
  for (const one of document.querySelectorAll(".scroll, .frame-img, pre")) if (one.scrollWidth > one.clientWidth + 1 && one.tabIndex !== 0) wrong.push("scrolls, not by keyboard: " + one.className);
  return wrong;
}"""


# Parts of a line of evidence that lie over each other.
OVERLAPPING = """() => [...document.querySelectorAll("ol.lines > li")].filter((line) => {
  const [tag, title, reason] = [line.querySelector(".tag"), ...[...line.children].slice(1)].map((one) => one.getBoundingClientRect());
  return tag.right > title.left || title.right > reason.left;
}).map((line) => line.innerText)"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with answers of every verdict, lines of every state, a picture, a table of 40 rows and an own one of twelve columns."""
    results = tmp_path_factory.mktemp("report") / "results"
    rows = [
        difference(1, 0.3, 0.1, 0.5, 0.01),  # helps
        difference(2, -0.3, -0.5, -0.1, 0.01),  # harms
        difference(3, 0.001, -0.003, 0.004, 0.9),  # no difference
        difference(4, 0.1, float("nan"), float("nan"), float("nan")),  # not testable
    ]
    write_results(results, rows + [difference(n, 0.3 - n / 100, -0.1 + n / 1000, 0.6, 0.9) for n in range(5, 41)])
    copied = {
        "dataset": "rsna",
        "arm": "original",
        "fraction": 0.01,
        "measure": "near_copies",
        "value": 0.3,
        "floor": 0.01,
    }
    write_table(results, "tables/memorisation.csv", [{**copied, "verdict": "fails"}])
    write_table(results, "tables/failures.csv", [], ["dataset", "image_id", "label", "change", "real", "synthetic"])
    write_table(results, "tables/own.csv", [{f"column {k}": f"{k}-{n}" for k in range(12)} for n in range(3)])
    rows = [{"name": name, "size": size} for name, size in (("b", "10"), ("a", "9.5"), ("c", "n/a"), ("d", "-1"))]
    write_table(results, "tables/sizes.csv", rows)
    page = results / "report.html"
    page.write_text(render(make_report(results, study())))
    return page


def opened(chromium: Any, file: Path, **context: Any) -> tuple[Any, list[str]]:
    """Return the page in a context of its own, and what it asked for or complained of."""
    page = chromium.new_context(**context).new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(file.as_uri())
    assert told.pop(0) == file.as_uri()
    return page, told


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_headings_links_and_contrast(chromium: Any, file: Path, scheme: str) -> None:
    page, told = opened(chromium, file, color_scheme=scheme)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate(UNNAMED) == [] and told == []
    assert {eyes: page.evaluate(FAINT, matrix) for eyes, matrix in EYES.items()} == dict.fromkeys(EYES, [])
    alone, kinds = page.evaluate(COLOURED)
    assert alone == [] and set(kinds) == {"green", "amber", "red", "grey", *VERDICTS}
    page.context.close()


def test_a_phone_scrolls_tables_and_not_the_page(chromium: Any, file: Path) -> None:
    page, told = opened(chromium, file, viewport={"width": 390, "height": 844})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("[...document.querySelectorAll('.scroll')].some((one) => one.scrollWidth > one.clientWidth)")
    assert told == []
    page.context.close()


def test_tables_sort_by_numbers_and_filter_by_words(chromium: Any, file: Path) -> None:
    page, _ = opened(chromium, file)
    table = page.locator("#file-tables-sizes")
    table.locator("summary").click()
    names = "all => all.filter((row) => !row.hidden).map((row) => row.cells[0].textContent).join('')"
    size = table.get_by_role("button", name="size")
    size.click()
    assert table.locator("tbody tr").evaluate_all(names) == "dabc"  # -1, 9.5, 10, and n/a last
    size.press("Enter")
    assert table.locator("tbody tr").evaluate_all(names) == "badc"  # n/a stays last
    assert table.locator("th").nth(1).get_attribute("aria-sort") == "descending"
    table.get_by_role("searchbox").fill("9.5")
    assert table.locator("tbody tr").evaluate_all(names) == "a"
    long = page.locator("#file-tables-differences")
    long.locator("summary").first.click()
    assert long.locator("tbody tr").count() == 25 and "25 of 40 rows" in long.get_by_role("status").inner_text()
    long.get_by_role("button", name="Show all rows").click()
    assert long.locator("tbody tr").count() == 40
    page.context.close()


def test_the_keyboard_skips_to_the_answer_and_links_open_tables(chromium: Any, file: Path) -> None:
    page, _ = opened(chromium, file)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto(file.as_uri() + "#file-tables-own")
    assert page.locator("#file-tables-own").get_attribute("open") is not None
    page.context.close()


def test_paper_shows_closed_tables_in_order(chromium: Any, file: Path) -> None:
    page, told = opened(chromium, file)
    paper = page.pdf()
    assert paper.startswith(b"%PDF") and paper.count(b"/Type /Page\n") >= 2
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate("[...document.querySelectorAll('details:not(.screen)')].every((one) => one.open)")
    assert not page.locator("nav.toc").is_visible() and page.locator("#file-tables-own td").first.is_visible()
    broad = page.locator("#file-tables-differences")  # 17 columns, of which no paper is wide enough
    assert not broad.locator("td").first.is_visible() and broad.get_by_text("no room for its").is_visible()
    assert page.evaluate(OVERLAPPING) == []
    claim = page.locator("#guidelines ~ details").first  # 44 items, all of them on paper
    assert claim.locator("tbody tr").count() == 44
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert claim.locator("tbody tr").count() == 25
    assert page.evaluate("[...document.querySelectorAll('details')].every((one) => !one.open)") and told == []
    page.context.close()
