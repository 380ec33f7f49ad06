"""Lines about other seeds and other hospitals' films, with numbers reckoned by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.reporting.page import lines_seeds
from scripts.lib.reporting.page.guidelines import FOR_YOU
from scripts.lib.reporting.page.lines_seeds import over_seeds
from scripts.lib.reporting.page.page import make_report
from tests.helpers.report_tables import difference, facts, study, write_results, write_table

HELPED = difference(2, 0.2, 0.1, 0.3, 0.01)


def test_films_from_elsewhere_are_counted_without_a_verdict(tmp_path: Path) -> None:
    row = {"dataset": "rsna", "metric": "f1", "fraction": 0.01, "tested_on": "chexpert"}
    cells = [("real", 0, 0.5), ("original", 2, 0.6), ("original", 5, 0.4)]
    rows = [{**row, "arm": arm, "multiplier": many, "value": value} for arm, many, value in cells]
    write_table(tmp_path, "rsna/external.csv", rows)
    line = lines_seeds.replication(facts(tmp_path))
    assert line.state == "amber" and "RSNA Pneumonia on CheXpert: better in 1 of 2 cells" in line.reason
    claim, *_ = make_report(tmp_path, study()).guidelines
    assert next(one.said for one in claim.items if one.number == "33") == line.reason


@pytest.mark.parametrize(("ends", "state"), [((0.1, 0.3), "green"), ((-0.1, 0.3), "amber"), ((-0.3, -0.1), "red")])
def test_other_seeds_confirm_or_contradict(tmp_path: Path, ends: tuple[float, float], state: str) -> None:
    cell = {name: HELPED[name] for name in ("dataset", "metric", "arm", "against", "fraction", "multiplier")}
    write_results(tmp_path, [HELPED])
    write_table(
        tmp_path,
        "tables/replication.csv",
        [{**cell, "mean": sum(ends) / 2, "low": ends[0], "high": ends[1], "n_seeds": 5}],
    )
    line = lines_seeds.replication(facts(tmp_path))
    said = {
        "green": "the one decided comparison and contradicts none",
        "amber": "no decided comparison and contradicts none",
    }
    said["red"] = "no decided comparison and contradicts 1"
    assert line.state == state and line.reason == f"Over 5 seeds the interval confirms {said[state]}."
    # Other seeds are no films from elsewhere: items that ask for those stay open.
    claim, _, card = make_report(tmp_path, study()).guidelines
    assert next(one.said for one in claim.items if one.number == "33") == FOR_YOU
    assert next(one.said for one in card.items if one.number == "consistency") == line.reason


def test_the_answer_over_seeds_counts_gains_and_losses(tmp_path: Path) -> None:
    assert over_seeds(facts(tmp_path)) == ""
    many = [difference(n, 0.2, 0.1, 0.3, 0.01) for n in (2, 5, 10)]
    write_results(tmp_path, many)
    names = ("dataset", "metric", "arm", "against", "fraction", "multiplier")
    ends = [(0.1, 0.3), (0.05, 0.1), (-0.3, -0.1)]
    rows = [
        {**{name: one[name] for name in names}, "mean": (low + high) / 2, "low": low, "high": high, "n_seeds": 5}
        for one, (low, high) in zip(many, ends)
    ]
    write_table(tmp_path, "tables/replication.csv", rows)
    assert over_seeds(facts(tmp_path)) == (
        "Over 5 seeds of the whole study, the mean difference is a gain in 2 and a loss in 1 of 3 comparisons, beyond its 95 % interval."
    )
    write_table(tmp_path, "tables/replication.csv", [{**rows[0], "low": -0.1}])
    assert "is neither gain nor loss in the one comparison," in over_seeds(facts(tmp_path))
