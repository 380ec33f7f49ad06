"""Every sentence of the answer says what its table says: help, harm, no difference, open, not tested, one and many."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.reporting.page.answers import answers, headline
from scripts.lib.reporting.page.comparisons import read_comparisons, verdict
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.tables import Tables
from scripts.lib.reporting.page.words import between, chance, count, listed, none_of, number, p_value, part_of, signed
from tests.helpers.report_tables import difference, study, write_results, write_table


def told(results: Path, rows: list[dict[str, Any]], films: tuple[int, ...] = (3, 4)) -> tuple[str, str]:
    """Return the headline, and the sentences of the one setting."""
    config = study()
    found = read_comparisons(Tables(write_results(results, rows, films)), config)
    names = Names(config)
    (answer,) = answers(found, "original", names)
    return headline(found, "original", names), answer.settings[0].text


@pytest.mark.parametrize(
    ("ends", "p", "metric", "expected"),
    [
        ((0.2, 0.1, 0.3), 0.01, "f1", "helps"),
        ((-0.2, -0.3, -0.1), 0.01, "f1", "harms"),
        ((-0.2, -0.3, -0.1), 0.01, "false_positive_share", "helps"),  # fewer false alarms are a gain
        ((0.2, 0.1, 0.3), 0.05, "f1", "undecided"),  # P must be below alpha
        ((0.01, 0.004, 0.02), 0.01, "f1", "helps"),  # small, and there
        ((0.01, -0.03, 0.049), 0.9, "f1", "no difference"),
        ((0.01, -0.03, 0.05), 0.9, "f1", "undecided"),  # reaches the difference that matters
        ((0.2, -0.1, 0.5), 0.01, "f1", "undecided"),  # a P value whose interval holds 0 decides nothing
        ((0.2, math.nan, math.nan), math.nan, "f1", "not testable"),
        ((math.nan, math.nan, math.nan), math.nan, "f1", "not testable"),
    ],
)
def test_verdicts(ends: tuple[float, float, float], p: float, metric: str, expected: str) -> None:
    assert verdict(metric, *ends, p, alpha=0.05, wanted=0.05) == expected


def test_one_amount_that_helps_with_its_worth_in_real_films(tmp_path: Path) -> None:
    row = {"dataset": "rsna", "metric": "f1", "fraction": 0.01, "arm": "original", "multiplier": 1, "kind": "cell"}
    row |= {
        "bound": "",
        "low_bound": "",
        "high_bound": ">=",
        "n_equivalent": 43.5,
        "low": 13.5,
        "high": 309,
        "note": "",
    }
    write_table(tmp_path, "tables/equivalence.csv", [row])
    first, text = told(tmp_path, [difference(1, 0.19, 0.12, 0.26, 0.0004)])
    assert first == "Synthetic images helped in the one comparison with real films alone."
    # Trials of 3 and 4 films: 43.5 - 3.5 = 40, 13.5 - 3.5 = 10, 309 - 3.5 = 305.5.
    assert text == (
        "1 synthetic image per film raises F1 by 0.19 (95 % interval 0.12 to 0.26; corrected P < 0.001), from 0.50 to 0.69, as "
        "much as about 40 more real films (95 % interval 10 to 306 or more)."
    )


def test_harm_is_told_with_the_size_of_the_loss(tmp_path: Path) -> None:
    first, text = told(tmp_path, [difference(2, -0.071, -0.088, -0.055, 0.02)])
    assert first == "Synthetic images harmed in the one comparison with real films alone."
    assert text == (
        "2 synthetic images per film lower F1 by 0.07 (95 % interval 0.06 to 0.09; corrected P = 0.02), from 0.50 to 0.43."
    )


def test_of_several_amounts_the_surest_is_quoted_and_the_others_are_named(tmp_path: Path) -> None:
    rows = [difference(2, 0.1, 0.05, 0.15, 0.004), difference(5, 0.12, 0.08, 0.16, 0.001)]
    rows += [difference(10, 0.01, -0.02, 0.03, 1.0), difference(25, 0.2, -0.4, 0.7, 1.0)]
    power = {
        "dataset": "rsna",
        "metric": "f1",
        "fraction": 0.01,
        "arm": "original",
        "against": "real",
        "multiplier": 25,
    }
    write_table(tmp_path, "tables/power.csv", [{**power, "detectable": 0.81, "wanted": 0.05}])
    first, text = told(tmp_path, rows)
    assert first == (
        "Synthetic images helped in 2 and made no difference that matters in 1 of 4 comparisons with real films alone. "
        "The other one is undecided."
    )
    assert text == (
        "2 and 5 synthetic images per film raise F1, most surely 5 per film: by 0.12 (95 % interval 0.08 to 0.16; corrected "
        "P = 0.001), from 0.50 to 0.62. 10 synthetic images per film make no difference in F1 that matters: 0.01 (95 % interval "
        "−0.02 to 0.03). Whether 25 synthetic images per film help or harm cannot be told: F1 changes by +0.20 (95 % interval "
        "−0.40 to 0.70). A difference of 0.81 or more would most likely have been found."
    )


def test_a_dataset_in_short_names_the_surest_gain_and_the_surest_loss(tmp_path: Path) -> None:
    rows = [difference(2, 0.1, 0.05, 0.15, 0.004), difference(5, 0.12, 0.08, 0.16, 0.001)]
    rows += [difference(10, -0.1, -0.2, -0.05, 0.01), difference(25, 0.2, -0.4, 0.7, 1.0)]
    config = study()
    found = read_comparisons(Tables(write_results(tmp_path, rows)), config)
    (answer,) = answers(found, "original", Names(config))
    assert answer.short == (
        "Synthetic images helped in 2 and harmed in 1 of 4 comparisons; 1 undecided. The surest gain: +0.12 F1 (95 % interval "
        "0.08 to 0.16) with 3 to 4 films (1 %) and 5 images per film. The loss: −0.10 F1 (95 % interval −0.20 to −0.05) with 3 to 4 "
        "films (1 %) and 10 images per film."
    )
    found = read_comparisons(Tables(write_results(tmp_path, rows[3:])), config)
    (answer,) = answers(found, "original", Names(config))
    assert answer.short == "The one comparison is undecided."
    found = read_comparisons(Tables(write_results(tmp_path, rows[:1])), config)
    (answer,) = answers(found, "original", Names(config))
    assert answer.short.startswith("Synthetic images helped in the one comparison. The gain: +")


def test_means_that_rounding_would_contradict_get_a_digit_more(tmp_path: Path) -> None:
    # 0.5 to 0.644 is shown as 0.50 to 0.64, and a difference of 0.145 as 0.14 or 0.15: with two digits they may not agree.
    rows = [difference(2, 0.1449, 0.1, 0.19, 0.001)]
    write_results(tmp_path, rows)
    cell = {"dataset": "rsna", "metric": "f1", "fraction": 0.01}
    means = [("real", 0, 0.0949), ("original", 2, 0.2398)]  # 0.09 to 0.24 would be 0.15
    write_table(tmp_path, "tables/intervals.csv", [{**cell, "arm": a, "multiplier": m, "mean": v} for a, m, v in means])
    config = study()
    (answer,) = answers(read_comparisons(Tables(tmp_path), config), "original", Names(config))
    assert (
        "by 0.145 (95 % interval 0.100 to 0.190; corrected P = 0.001), from 0.095 to 0.240." in answer.settings[0].text
    )


def test_nothing_decided_and_nothing_tested(tmp_path: Path) -> None:
    rows = [difference(1, 0.1, -0.2, 0.4, 1.0), difference(2, -0.2, -0.5, 0.1, 0.7)]
    first, text = told(tmp_path, rows)
    assert first == "Whether synthetic images help or harm is open: both comparisons are undecided."
    assert text.startswith(
        "Whether 1 and 2 synthetic images per film help or harm cannot be told: F1 changes most with 2 per film"
    )
    first, text = told(
        tmp_path, [difference(2, 0.1, 0.05, 0.15, 0.2)]
    )  # the correction takes back what the interval says
    assert first == "Whether synthetic images help or harm is open: the one comparison is undecided."
    assert "F1 changes by +0.10 (95 % interval 0.05 to 0.15; corrected P = 0.2)" in text
    nothing = dict.fromkeys(("difference", "low", "high", "p_bonferroni"), "n/a")
    first, text = told(tmp_path, [difference(1, 0, 0, 0, 0, **nothing, note="one trial only")])
    assert first == "The one comparison could not be tested, so this study gives no answer."
    assert text == "1 synthetic image per film is not tested in F1: one trial only."
    rows = [difference(many, 0, 0, 0, 0, **nothing, note="one trial only") for many in (1, 2)]
    assert told(tmp_path, rows)[0] == "Neither of the two comparisons could be tested, so this study gives no answer."


def test_a_study_without_comparisons_gives_no_answer(tmp_path: Path) -> None:
    config = study()
    assert read_comparisons(Tables(tmp_path), config) == []
    found = read_comparisons(Tables(write_results(tmp_path, [])), config)
    assert found == [] and "gives no answer" in headline(found, "original", Names(config))


def test_controls_are_not_called_synthetic(tmp_path: Path) -> None:
    config = study(arms=["duplicate"])
    rows = [difference(2, -0.2, -0.3, -0.1, 0.01, arm="duplicate")]
    found = read_comparisons(Tables(write_results(tmp_path, rows)), config)
    (answer,) = answers(found, "duplicate", Names(config))
    assert answer.settings[0].text.startswith("2 repeated real films per film lower F1")
    assert answer.tested == "5 trials, tested on 40 films of 30 patients" and answer.title == "RSNA Pneumonia"
    assert answer.settings[0].films == "3 to 4 films (1 %)"


def test_text_where_a_number_belongs_is_one_clear_line(tmp_path: Path) -> None:
    rows = [difference(2, 0.1, 0.0, 0.2, 0.5), difference(5, 0.1, 0.0, 0.2, 0.5, low="0,05")]
    write_results(tmp_path, rows)
    with pytest.raises(InputError, match=r"differences.csv: line 3, column low: '0,05' is no number"):
        read_comparisons(Tables(tmp_path), study())


def test_numbers_and_counts() -> None:
    assert [number(value) for value in (0.344, -0.0042, -0.004, 0.0, math.nan, 1234.5)] == [
        *("0.34", "−0.004", "−0.004", "0.00", "n/a", "1,234.50"),
    ]
    assert (signed(0.2), signed(-0.2), signed(0.0)) == ("+0.20", "−0.20", "0.00")
    assert (count(1, "film"), count(2, "film"), count(0, "film"), count(3.5, "film")) == (
        *("1 film", "2 films", "no films"),
        "3.5 films",
    )
    assert (between(4, 4, "film"), between(3, 4, "film")) == ("4 films", "3 to 4 films")
    assert (listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"]), listed([])) == (
        "a",
        "a and b",
        "a, b and c",
        "",
    )
    assert [part_of(n, 12, "cell") for n in (0, 3, 12)] == ["none of 12 cells", "3 of 12 cells", "all 12 cells"]
    assert [part_of(n, 1, "cell") for n in (0, 1)] == ["no cell", "the one cell"]
    assert [part_of(2, 2, "cell"), part_of(1, 2, "cell")] == ["both cells", "1 of 2 cells"]
    assert (none_of(0), none_of(1200), chance(0.4), chance(7.2)) == ("none", "1,200", "less than one", "about 7")
    assert (p_value(0.0004), p_value(0.023), p_value(math.nan)) == ("P < 0.001", "P = 0.023", "no P value")
