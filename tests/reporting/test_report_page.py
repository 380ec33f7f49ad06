"""The page as a whole, and two studies beside each other: whole whatever is missing, escaped whatever stands in tables."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from scripts.compare_reports import main as compare
from scripts.lib.core.errors import InputError
from scripts.lib.reporting.page.ages import outdated
from scripts.lib.reporting.page.comparing import read_record
from scripts.lib.reporting.page.durations import duration, time_text
from scripts.lib.reporting.page.guidelines import FOR_YOU, as_markdown
from scripts.lib.reporting.page.page import make_report, record, render, ticks
from scripts.lib.reporting.page.pictures import one_of_each_pool
from scripts.lib.reporting.page.settings import paper_of, paper_rows, setting_rows
from scripts.lib.reporting.page.shown import MOST_ROWS, cell
from scripts.lib.reporting.page.tables import Tables
from scripts.lib.study.reported import found_beside
from scripts.write_report import main as write
from tests.helpers.report_tables import difference, study, write_results, write_table

ROWS = [difference(2, 0.2, 0.1, 0.3, 0.01), difference(5, -0.2, -0.3, -0.1, 0.01)]
HOSTILE = '<script>alert("x")</script>&\'"'


def anchors(page: str) -> tuple[set[str], list[str]]:
    """Return the anchors that a page links to, and all that it has."""
    return set(re.findall(r'href="#([^"]+)"', page)), re.findall(r'\bid="([^"]+)"', page)


def test_a_folder_without_any_result_makes_a_whole_page(tmp_path: Path) -> None:
    page = render(make_report(tmp_path, study()))
    wanted, there = anchors(page)
    assert wanted <= set(there) and len(there) == len(set(there))
    assert "gives no answer" in page and page.count("not measured</span>") >= 12 and page.rstrip().endswith("</html>")


def test_the_page_asks_for_nothing_and_holds_its_pictures(tmp_path: Path) -> None:
    page = render(make_report(write_results(tmp_path, ROWS), study()))
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page) and "url(" not in page
    assert page.count("data:image/webp;base64,") == 1 and 'width="60" height="40"' in page
    assert (
        "--own: 30px" in page and "The picture" not in page
    )  # half of 60 pixels; no section has a picture to speak of
    wanted, there = anchors(page)
    assert wanted <= set(there) and len(there) == len(set(there))
    assert (
        '<b><span aria-hidden="true">▲</span> +0.20</b>' in page and "<strong>Phantom films</strong>, drawn by" in page
    )
    # From -0.3 to +0.3: the interval .1 to .3 takes the last third, and harm the first.
    assert 'style="left:66.7%;right:0.0%"' in page and 'style="left:0.0%;right:66.7%"' in page


def test_html_in_labels_titles_and_tables_is_text(tmp_path: Path) -> None:
    config = study(name=HOSTILE)
    config["datasets"] = {**config["datasets"], "rsna": {**config["datasets"]["rsna"], "title": HOSTILE}}
    rows = [difference(2, 0.2, 0.1, 0.3, 0.01, note=HOSTILE), difference(5, 0.2, 0.1, 0.3, 0.9, note=HOSTILE)]
    write_results(tmp_path, rows)
    write_table(tmp_path, "tables/own.csv", [{HOSTILE: HOSTILE}])
    page = render(make_report(tmp_path, config))
    assert "alert(" in page and HOSTILE not in page and page.count("<script>") == 1


def test_a_class_model_and_masks_have_sections_only_where_they_are(tmp_path: Path) -> None:
    page = render(make_report(write_results(tmp_path, ROWS), study()))
    assert 'id="model"' not in page and 'id="masks"' not in page
    swept = {"dataset": "rsna", "measure": "kid", "floor": 0.001}
    rows = [
        {**swept, "guidance": g, "steps": 5, "value": v, "low": v - 0.01, "high": v + 0.01}
        for g, v in ((1, 0.03), (2, 0.02))
    ]
    write_table(tmp_path, "generators/sweep.csv", rows)
    tries = [{"number": 0, "state": "complete", "score": 0.05}, {"number": 1, "state": "fail", "score": "n/a"}]
    write_table(tmp_path, "search/history.csv", tries)
    (tmp_path / "search" / "best.json").write_text('{"number": 0, "score": 0.05, "default": 0.07}')
    made = make_report(tmp_path, study())
    assert made.tried.about == (
        "Of 2 pairs of guidance and solver steps, images lie nearest to real films with guidance 2 and 5 steps: KID 0.020 (95 % "
        "interval 0.010 to 0.030); between real films it is 0.001. The search tried 2 settings, of which 1 did not stay finite. "
        "The best, number 0, has a KID to validation films of 0.050; the settings of the configuration have 0.070. Test films "
        "had no part in it, and the best of several looks a little better than it is."
    )
    assert 'id="model"' in render(made) and 'id="file-search-history"' in render(made)


def test_ten_thousand_trials_stay_below_20_megabytes(tmp_path: Path) -> None:
    """Forty arms with 25 amounts at ten fractions: 10,000 comparisons, and as many trials."""
    arms, fractions = ["original", *(f"a{k}" for k in range(39))], [k / 10 for k in range(1, 11)]
    rows = [
        difference(n, 0.2, -0.1, 0.5, 0.9, arm=arm, fraction=f) for arm in arms for f in fractions for n in range(1, 26)
    ]
    results = write_results(tmp_path, rows)
    write_table(results, "tables/trials.csv", [{**row, "n_real": 4, "value": 0.5} for row in rows])
    assert len(rows) == 10_000 and len(render(make_report(results, study()))) < 20_000_000


def test_words_between_backticks_are_code_and_all_else_is_text() -> None:
    assert ticks("run `make <b>` of 5 % & P < 0.1") == (
        "run <code>make &lt;b&gt;</code> of 5\N{NO-BREAK SPACE}% &amp; P\N{NO-BREAK SPACE}&lt;\N{NO-BREAK SPACE}0.1"
    )


def test_a_table_that_no_section_knows_is_shown_all_the_same(tmp_path: Path) -> None:
    write_results(tmp_path, ROWS)
    write_table(tmp_path, "tables/search.csv", [{"round": 1, "score": 0.123456}])
    page = render(make_report(tmp_path, study()))
    assert 'id="file-tables-search"' in page and 'data-v="0.123456">0.123</td>' in page


def test_long_tables_are_cut_and_say_so(tmp_path: Path) -> None:
    """Forty arms with 75 amounts each: 3,000 comparisons, and a page below 5 MB."""
    rows = [
        difference(n, 0.2, -0.1, 0.5, 0.9, arm=arm)
        for arm in ["original", *(f"a{k}" for k in range(39))]
        for n in range(1, 76)
    ]
    page = render(make_report(write_results(tmp_path, rows), study()))
    assert len(page) < 5_000_000 and f"the first {MOST_ROWS} rows of 3,000; the file has all" in page
    assert page.count("<td>a38</td>") == 1  # each other arm is one row of the table of arms


def test_a_table_older_than_its_trials_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, ROWS)
    write_table(tmp_path, "tables/failures.csv", [], ("dataset", "image_id", "label", "real", "synthetic", "change"))
    trial = tmp_path / "rsna" / "trials" / "real" / "fraction-1" / "trial-0.parquet"
    trial.parent.mkdir(parents=True)
    trial.write_bytes(b"")
    os.utime(trial, (1.5e9, 1.5e9))
    states = {line.key: line for line in make_report(tmp_path, study()).lines}
    assert states["failures"].state == "green" and make_report(tmp_path, study()).date == "2017-07-14"
    os.utime(tmp_path / "tables" / "failures.csv", (1.4e9, 1.4e9))
    line = next(line for line in make_report(tmp_path, study()).lines if line.key == "failures")
    assert line.state == "amber" and "older than the newest trials" in line.reason


@pytest.mark.parametrize(
    ("dataset", "arm", "fraction", "older"),
    [
        ("rsna", "original", "1", True),
        ("rsna", "real", "1", True),  # beside which the images are compared
        ("rsna", "proxy-filtered", "1", False),  # drawn later, for Figure 3: the table has no row of it
        ("rsna", "original", "0.1", False),
        ("siim", "original", "1", False),
    ],
)
def test_a_table_is_as_old_as_what_it_has_rows_of(
    tmp_path: Path, dataset: str, arm: str, fraction: str, older: bool
) -> None:
    row = {"dataset": "rsna", "arm": "original", "fraction": "1", "image_id": "a"}
    write_table(tmp_path, "tables/failures.csv", [row])
    trial = tmp_path / dataset / "trials" / arm / f"fraction-{fraction}" / "trial-0.parquet"
    trial.parent.mkdir(parents=True)
    trial.write_bytes(b"")
    os.utime(tmp_path / "tables" / "failures.csv", (1.4e9, 1.4e9))
    assert bool(outdated(Tables(tmp_path), ["tables/failures.csv"])) == older


def test_a_picture_that_is_none_stops_the_page_and_leaves_none(tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", ROWS)
    (results / "figure2.png").write_bytes(b"no picture")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(study()))
    out = tmp_path / "report.html"
    with pytest.raises(InputError, match="figure2.png: not a readable picture"):
        write(
            [
                "--results",
                str(results),
                "--config",
                str(config),
                "--out",
                str(out),
                "--record",
                str(tmp_path / "r.json"),
                "--guidelines",
                str(tmp_path / "g.md"),
            ]
        )
    assert not out.exists() and sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "results"]


def test_what_lies_beside_is_seen_by_content(tmp_path: Path) -> None:
    results = write_results(tmp_path, ROWS)
    waited = ["results/tables/differences.csv", "results/figure2.png"]
    before = found_beside(results, waited)
    assert set(before) == {"tables/intervals.csv", "tables/trials.csv", "tables/baselines.csv"}
    os.utime(results / "tables" / "trials.csv", (1.5e9, 1.5e9))
    assert found_beside(results, waited) == before
    write_table(results, "tables/subgroups.csv", [{"a": 1}])
    assert set(found_beside(results, waited)) - set(before) == {"tables/subgroups.csv"}


def test_one_sheet_for_each_dataset_and_arm() -> None:
    files = [f"rsna/pools/{arm}/fraction-{f}/sheet.png" for arm in ("a", "b") for f in ("0.01", "0.1", "1")]
    assert one_of_each_pool([*files, "figure1.png"]) == ([files[2], files[5], "figure1.png"], [*files[:2], *files[3:5]])


def test_cells_are_rounded_and_sorted_by_what_the_table_says() -> None:
    shown = {text: cell(text).text for text in ("0.123456", "-0.00012345", "12", "1545.4", "0.50", "patient-1", "n/a")}
    assert list(shown.values()) == ["0.123", "−0.000123", "12", "1,545", "0.5", "patient-1", "n/a"]
    assert cell("0.123456").exact == "0.123456"


def test_two_studies_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, rows, seed in (("a", ROWS, 1), ("b", [ROWS[0], difference(5, -0.2, -0.5, 0.1, 0.3)], 2)):
        results = write_results(tmp_path / name / "results", rows)
        (results / "report.json").write_text(record(make_report(results, study(seed=seed))))
    compare([str(tmp_path / "a"), str(tmp_path / "b" / "results"), "--out", str(tmp_path / "c.html")])
    page = (tmp_path / "c.html").read_text()
    assert "<h1>1 of 2 common comparisons has another verdict.</h1>" in page
    assert "harms: −0.20 (−0.30 to −0.10)" in page and "undecided: −0.20 (−0.50 to 0.10)" in page
    assert "<td>study.seed</td><td>1</td><td>2</td>" in page and "wrote" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"no report.json in it or in its results/; run `make report DIR="):
        read_record(tmp_path)


def test_settings_that_differ_are_named_with_their_path() -> None:
    rows = setting_rows({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 1, "c": 3}, "d": [1], "e": {}})
    assert [(row.about, row.left, row.right) for row in rows] == [("a.c", "2", "3"), ("e", "not there", "{}")]


def test_a_study_stands_beside_the_paper_that_it_follows() -> None:
    config = study()
    assert paper_of(config) == "studies/paper.yaml"
    config["arms"] = {**config["arms"], "original": {"generator": "class-ldm"}}
    assert paper_of(config) == "studies/paediatric.yaml"
    rows = {row.about: (row.left, row.right) for row in paper_rows(study())}
    assert rows["study.resolution"] == ("64", "512") and rows["sampling.guidance"] == ("2.0", "7.5")
    assert not [name for name in rows if name.startswith("compute.") or name.endswith(".root")]
    config = study()
    config["datasets"] = {**config["datasets"], "mine": {**config["datasets"]["rsna"], "labels": ["mine"]}}
    config["study"] = {**config["study"], "datasets": ["mine"]}
    assert not [row.about for row in paper_rows(config) if row.about.startswith(("datasets.mine", "datasets.rsna"))]
    assert rows["datasets.rsna.split.test"] == ("0.58", "4800")


def test_the_time_of_a_run_is_that_of_its_jobs(tmp_path: Path) -> None:
    for rule, number, seconds in (
        ("train_base", 0, "3000"),
        ("train_trials", 0, "1500.5"),
        ("train_trials", 1, "1500.5"),
    ):
        file = tmp_path / "benchmarks" / rule / f"{number}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"s\th:m:s\n{seconds}\t-\n")
    (tmp_path / "benchmarks" / "plot").mkdir()
    # 3,000 s + 3,001 s are 1.67 hours.
    assert time_text(tmp_path) == (
        "1.7 hours by the clock, added over 3 timed jobs; the longest: train_trials (50 minutes) and train_base (50 minutes)"
    )
    assert time_text(tmp_path / "none") == "" and duration(7.6) == "8 seconds"
    assert time_text(tmp_path) in render(make_report(tmp_path, study()))


def test_the_guidelines_say_what_the_run_knows_and_leave_the_rest(tmp_path: Path) -> None:
    report = make_report(write_results(tmp_path, ROWS), study())
    claim, stard, card = report.guidelines
    items = {int(one.number): one for one in claim.items}
    assert list(items) == list(range(1, 45)) and items[44].said == items[1].said == FOR_YOU
    # STARD 2015 has 30 items, four of them in two parts (10, 12, 13, 21).
    numbers = [one.number for one in stard.items if one.number != "AI"]
    assert len(numbers) == 34 and len({int(one.rstrip("ab")) for one in numbers}) == 30
    assert [one.number for one in card.items][0] == "congruence" and len(card.items) == 7
    assert items[7].said == "RSNA Pneumonia (phantom films), MIMIC-CXR (phantom films) and CANDID-PTX (phantom films)."
    assert items[20].said == "Patient." and items[32].said.startswith("RSNA Pneumonia: 5 trials, tested on 40 films")
    assert "above 0.5" in next(one.said for one in stard.items if one.number == "12a")
    assert items[37].said == items[38].said == "Tables differences.csv and intervals.csv of this report."
    assert items[39].said == FOR_YOU and items[35].said == FOR_YOU  # no table of failures, no Table 1
    assert items[25].said == "Steps: 150 at 1 %, 300 at 10 %, 600 at 100 %." and items[28].said == "F1."
    two = study(datasets=["rsna", "candid"], fractions=[0.1, 1.0])
    two["trials"] = {**two["trials"], "segmentation": {**two["trials"]["segmentation"], "budget": {"steps": 240}}}
    items = {one.number: one for one in make_report(tmp_path, two).guidelines[0].items}
    assert items["25"].said == "RSNA Pneumonia: steps: 300 at 10 %, 600 at 100 %; CANDID-PTX: 240 steps."
    text = as_markdown(report.guidelines)
    assert f"The run answers {claim.known} of 44 items" in text and "| 44 | funding | for you |" in text
    assert text.count("\n| ") == (44 + 43 + 7) + 3 and text.count("\n# ") == 2  # a row an item, a head a list
