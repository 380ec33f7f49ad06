"""A results folder that two studies share: a page tells of its own."""

from __future__ import annotations

from pathlib import Path

from scripts.lib.reporting.page.page import make_report, render
from tests.helpers.report_tables import difference, study, write_results, write_table

ROWS = [difference(2, 0.2, 0.1, 0.3, 0.01), difference(5, -0.2, -0.3, -0.1, 0.01)]


def test_a_page_speaks_of_its_own_study_where_another_shares_the_folder(tmp_path: Path) -> None:
    results = write_results(tmp_path, [*ROWS, difference(2, 0.9, 0.8, 0.99, 0.01, dataset="siim")])
    other = {
        "dataset": "siim",
        "arm": "original",
        "fraction": 0.01,
        "measure": "kid",
        "value": 0.123456,
        "features": "random",
    }
    write_table(results, "tables/fidelity.csv", [other])  # of the other study alone
    film = {
        "dataset": "siim",
        "task": "classification",
        "arm": "original",
        "fraction": 0.01,
        "multiplier": 2,
        "image_id": "s7",
        "label": "pneumonia",
    }
    film |= {"change": -0.5, "real": 0.9, "synthetic": 0.4, "trials": 2, "note": ""}
    write_table(results, "tables/failures.csv", [film, {**film, "dataset": "rsna", "image_id": "r5"}])
    picture = (results / "figure2.png").read_bytes()
    for name in (
        "failures.png",
        "calibration.png",
        "rsna/pools/original/fraction-1/sheet.png",
        "siim/pools/original/fraction-1/sheet.png",
    ):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(picture)
    write_table(results, "tables/calibration.csv", [other])
    for name in ("rsna", "siim"):
        (results / name / "cohort").mkdir(parents=True)
    report = make_report(results, study())
    states = {one.key: one.state for one in report.lines}
    assert states["fidelity"] == "grey"
    assert [one.file for one in report.images.pictures] == ["rsna/pools/original/fraction-1/sheet.png"]
    page = render(report)
    assert "r5" in page and ">s7<" not in page and "0.123" not in page and "+0.90" not in page
    shown = [one.file for part in report.evidence for one in part.pictures]
    assert "failures.png" in shown and "calibration.png" not in shown
