"""Lines about the answer and its films: green, amber, red or not measured by their tables, with numbers reckoned by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scripts.lib.reporting.page import lines_answer, lines_images
from scripts.lib.reporting.page.sections import SECTIONS
from tests.helpers.report_tables import difference, facts, study, write_results, write_table

HELPED = difference(2, 0.2, 0.1, 0.3, 0.01)


def test_a_line_without_its_table_is_not_measured(tmp_path: Path) -> None:
    lines = [section.tell(facts(tmp_path)) for section in SECTIONS]
    # What the study says of its controls needs no table.
    assert {line.state for line in lines if line.key != "controls"} == {"grey"}
    assert len({line.key for line in lines}) == len(lines) == 18
    assert all(line.reason.endswith(".") and line.word for line in lines)


@pytest.mark.parametrize(
    ("trials", "detectable", "state", "reason"),
    [
        (
            2,
            0.03,
            "amber",
            "Each comparison rests on 2 trials only; with five or more, an interval can be relied on. A difference of 0.05 would most likely be found in the one",
        ),
        (
            5,
            0.03,
            "green",
            "5 trials a comparison; a difference of 0.05 would most likely be found in the one comparison.",
        ),
        (5, 0.2, "amber", "5 trials a comparison; a difference of 0.05 would most likely be found in no comparison."),
    ],
)
def test_size_of_the_study(tmp_path: Path, trials: int, detectable: float, state: str, reason: str) -> None:
    write_results(tmp_path, [{**HELPED, "n_trials": trials}])
    cell = {name: HELPED[name] for name in ("dataset", "metric", "fraction", "arm", "against", "multiplier")}
    write_table(tmp_path, "tables/power.csv", [{**cell, "detectable": detectable, "wanted": 0.05}])
    line = lines_answer.statistics(facts(tmp_path))
    assert (line.state, line.reason.startswith(reason)) == (state, True), line.reason


def test_few_test_films_are_no_matter_of_trials(tmp_path: Path) -> None:
    write_results(tmp_path, [{**HELPED, "n_trials": 9, "n_films": 29}, {**HELPED, "multiplier": 5, "n_films": 30}])
    line = lines_answer.statistics(facts(tmp_path))
    assert line.state == "amber" and line.reason.startswith(
        "With 29 test films no interval can be relied on, whatever the"
    )
    write_results(tmp_path, [{**HELPED, "n_trials": 9, "n_films": 30}])
    assert "relied on" not in lines_answer.statistics(facts(tmp_path)).reason


@pytest.mark.parametrize(
    ("trivial", "state", "reason"),
    [
        (0.37, "green", "All 2 mean scores lie above"),
        (
            0.6,
            "amber",
            "1 of 2 mean scores is no better than saying the same of every film (RSNA Pneumonia at 1 %).",
        ),  # real films: 0.5
        (
            0.7,
            "red",
            "2 of 2 mean scores are no better than saying the same of every film (RSNA Pneumonia at 1 %); 1 of them would count as a gain.",
        ),
    ],
)
def test_trivial_answers(tmp_path: Path, trivial: float, state: str, reason: str) -> None:
    write_results(tmp_path, [HELPED])
    rows = [
        {"dataset": "rsna", "metric": "f1", "baseline": name, "value": value}
        for name, value in (("a", 0), ("b", trivial))
    ]
    write_table(tmp_path, "tables/baselines.csv", rows)
    line = lines_answer.baselines(facts(tmp_path))
    assert (line.state, line.reason.startswith(reason)) == (state, True), line.reason


def test_scores_without_a_trivial_answer_are_no_evidence(tmp_path: Path) -> None:
    write_results(tmp_path, [HELPED])
    elsewhere = {"dataset": "siim", "metric": "dice", "baseline": "a", "value": 0.1}
    write_table(tmp_path, "tables/baselines.csv", [elsewhere])
    assert lines_answer.baselines(facts(tmp_path)).state == "grey"
    means = pd.read_csv(tmp_path / "tables/intervals.csv")
    both = pd.concat([means, means.assign(dataset="siim", metric="dice", task="segmentation")])
    both.to_csv(tmp_path / "tables/intervals.csv", index=False)
    found = lines_answer.baselines(facts(tmp_path))
    assert found.state == "amber" and found.reason.startswith(
        "The best answer that is the same for every film is not known for 2 of 4 mean scores (RSNA Pneumonia); "
    )


@pytest.mark.parametrize(("p", "value", "state"), [(0.01, 0.2, "green"), (0.01, -0.2, "red"), (0.9, 0.2, "amber")])
def test_controls(tmp_path: Path, p: float, value: float, state: str) -> None:
    row = difference(2, value, value - 0.1, value + 0.1, p, against="duplicate")
    config = study(arms=["original", "duplicate"])
    line = lines_answer.controls(facts(write_results(tmp_path, [row]), config))
    assert line.state == state and line.reason.startswith("Against repeated real films the images are better in ")
    alone = lines_answer.controls(facts(tmp_path, study(arms=["original"])))
    assert alone.state == "amber" and "`make controls` does it" in alone.reason
    planned = lines_answer.controls(facts(tmp_path / "none", study(arms=["original", "duplicate"])))
    assert planned.reason.endswith(
        "No table compares the images with the study's control (repeated real films) yet: `make report` makes it."
    )


def test_groups_that_get_worse_are_counted_beside_chance(tmp_path: Path) -> None:
    row = {"dataset": "rsna", "metric": "f1", "arm": "original", "column": "sex", "fraction": 0.01, "multiplier": 2}
    rows = [
        {**row, "group": f"g{n}", "gap": -0.1, "gap_low": -0.2, "gap_high": -0.01 if n < 1 else 0.1} for n in range(20)
    ]
    write_table(tmp_path, "tables/subgroups.csv", rows)
    line = lines_answer.subgroups(facts(tmp_path))
    assert line.state == "amber" and line.reason.startswith(
        "In 1 of 20 comparisons within a group the score is surely worse with images; chance alone would give less than one. Where: RSNA Pneumonia (sex g0)"
    )
    write_table(tmp_path, "tables/subgroups.csv", rows[:4])  # 1 of 4 is more than a tenth
    assert lines_answer.subgroups(facts(tmp_path)).state == "red"
    write_table(tmp_path, "tables/subgroups.csv", rows[1:])
    assert lines_answer.subgroups(facts(tmp_path)).state == "green"


def test_a_group_of_all_films_is_no_group(tmp_path: Path) -> None:
    row = {"dataset": "rsna", "metric": "f1", "arm": "original", "fraction": 0.01, "multiplier": 2, "gap_low": -0.2}
    whole = [{**row, "column": name, "group": "unknown", "gap": -0.1, "gap_high": -0.01} for name in ("sex", "age")]
    write_table(tmp_path, "tables/subgroups.csv", whole)
    line = lines_answer.subgroups(facts(tmp_path))
    assert line.state == "amber" and "the test films are not known to differ in any of its columns" in line.reason
    views = [{**row, "column": "view", "group": name, "gap": 0.1, "gap_high": 0.3} for name in ("AP", "PA")]
    write_table(tmp_path, "tables/subgroups.csv", [*whole, *views])
    line = lines_answer.subgroups(facts(tmp_path))
    assert line.state == "green" and line.reason.startswith("In neither of 2 comparisons within a group")


def test_probabilities_are_held_against_the_prevalence_of_the_same_cell(tmp_path: Path) -> None:
    row = {
        "dataset": "rsna",
        "label": "pneumonia",
        "fraction": 0.01,
        "measure": "brier",
        "n_films": 40,
        "n_positives": 10,
    }

    def state(real: float, synthetic: float) -> str:
        # 10 of 40 films: saying 0.25 of each has a Brier score of 0.25 * 0.75 = 0.1875.
        rows = [{**row, "arm": "real", "multiplier": 0, "value": real}]
        rows += [{**row, "arm": "original", "multiplier": 2, "value": synthetic}]
        write_table(tmp_path, "tables/calibration.csv", rows)
        return lines_answer.calibration(facts(tmp_path)).state

    assert [state(0.18, 0.18), state(0.19, 0.19), state(0.18, 0.19), state(0.19, 0.18)] == [
        "green",
        "amber",
        "red",
        "green",
    ]


def test_films_that_got_worse(tmp_path: Path) -> None:
    columns = ("dataset", "image_id", "label", "real", "synthetic", "change")
    write_table(tmp_path, "tables/failures.csv", [], columns)
    assert lines_answer.failures(facts(tmp_path)).state == "green"
    rows = [
        dict(zip(columns, ("rsna", name, "lung_opacity", 0.9, 0.9 + change, change)))
        for name, change in (("a", -0.1), ("b", -0.6))
    ]
    write_table(tmp_path, "tables/failures.csv", rows)
    line = lines_answer.failures(facts(tmp_path))
    assert line.state == "amber" and line.reason == (
        "2 films stand among the worst of a comparison. The largest change is that of b of RSNA Pneumonia for lung opacity: a score "
        "of 0.90 with real films alone, 0.30 with images."
    )
    write_table(tmp_path, "tables/failures.csv", rows[1:])
    assert lines_answer.failures(facts(tmp_path)).reason.startswith("1 film stands among the worst")


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        (157, "a Dice of 1.00 with real films alone, 0.50 with images."),
        # Without the structure a training has 1 where it finds nothing and 0 elsewhere, so .5 of two trainings is one of them.
        (
            0,
            "it has no rib fracture, which 0 % of the trainings with real films alone find there, and 50 % of those with images.",
        ),
    ],
)
def test_a_film_that_got_worse_without_the_structure_has_no_dice(tmp_path: Path, truth: int, said: str) -> None:
    row = {"dataset": "candid", "task": "segmentation", "image_id": "a", "label": "rib_fracture", "truth": truth}
    write_table(tmp_path, "tables/failures.csv", [{**row, "real": 1, "synthetic": 0.5, "change": -0.5}])
    assert lines_answer.failures(facts(tmp_path)).reason.endswith(f"of CANDID-PTX for rib fracture: {said}")


def test_warnings_of_films_are_named(tmp_path: Path) -> None:
    row = {"dataset": "rsna", "taken": 199, "quarantined": 1, "warnings": ""}
    write_table(tmp_path, "table1.csv", [row])
    line = lines_images.films(facts(tmp_path))
    assert (line.state, line.reason) == (
        "green",
        "199 films were taken; 1 film (0.50 %) could not be used and is listed in quarantine.tsv. There is no warning.",
    )
    write_table(tmp_path, "table1.csv", [{**row, "warnings": "ages are missing"}])
    assert lines_images.films(facts(tmp_path)).state == "amber"
