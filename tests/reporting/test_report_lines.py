"""Each line of evidence: green, amber, red or not measured by its table, with numbers reckoned by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.lib.reporting.page import lines_answer, lines_edits, lines_images, lines_masks, lines_proxy
from scripts.lib.reporting.page.comparisons import read_comparisons
from scripts.lib.reporting.page.lines import Facts
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.sections import SECTIONS
from scripts.lib.reporting.page.seeds import over_seeds
from scripts.lib.reporting.page.tables import Tables
from scripts.lib.reporting.page.words import span
from tests.helpers.report_tables import difference, study, write_results, write_table

HELPED = difference(2, 0.2, 0.1, 0.3, 0.01)


def facts(results: Path, config: dict[str, Any] | None = None) -> Facts:
    own = config or study()
    tables = Tables(results)
    return Facts(tables, read_comparisons(tables, own), own, Names(own))


def test_a_line_without_its_table_is_not_measured(tmp_path: Path) -> None:
    lines = [section.tell(facts(tmp_path)) for section in SECTIONS]
    # What the study says of its controls needs no table.
    assert {line.state for line in lines if line.key != "controls"} == {"grey"}
    assert len({line.key for line in lines}) == len(lines) == 17
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


@pytest.mark.parametrize(
    ("verdict", "hit", "state", "word"),
    [
        ("clean", None, "green", "40 test films are neither"),
        ("stops", "stops", "red", "1 test film taught a model"),
        ("clean", "allowed", "amber", "1 hit is allowed"),
        ("not known", None, "amber", "not known in 1 check"),
    ],
)
def test_leakage(tmp_path: Path, verdict: str, hit: str | None, state: str, word: str) -> None:
    row = {"dataset": "rsna", "arm": "real", "kind": "all", "verdict": verdict, "tested": 40, "learned": 9, "hits": 0}
    rows = [row] + (
        [{**row, "kind": "pixels", "verdict": hit, "tested": "n/a", "learned": "n/a", "hits": "n/a"}] if hit else []
    )
    write_table(tmp_path, "tables/leakage.csv", rows)
    line = lines_images.leakage(facts(tmp_path))
    assert line.state == state and word in line.reason


@pytest.mark.parametrize(
    ("verdict", "found", "state", "word"),
    [
        (
            "passes",
            1.0,
            "green",
            "In the one pool near-copies of training films are no more frequent than among held-out",
        ),
        ("passes", 0.58, "amber", "of planted copies that were cropped it finds only 58 %"),
        ("undecided", 1.0, "amber", "of the one pool it cannot be told whether it holds copies"),
        (
            "fails",
            1.0,
            "red",
            "1 pool of 1 holds more near-copies of training films than chance gives: 1.3 % of the images against 2 % of held-out",
        ),
    ],
)
def test_copies(tmp_path: Path, verdict: str, found: float, state: str, word: str) -> None:
    pool = {"dataset": "rsna", "arm": "original", "fraction": 0.01, "verdict": verdict}
    rows = [{**pool, "measure": "near_copies", "value": 0.0133, "floor": 0.02}]
    rows += [{**pool, "measure": "found_cropped", "value": found, "floor": "n/a"}]
    write_table(tmp_path, "tables/memorisation.csv", rows)
    line = lines_images.copies(facts(tmp_path))
    assert line.state == state and word.lower() in line.reason.lower()


def test_distances_above_the_floor_are_counted_and_never_red(tmp_path: Path) -> None:
    pool = {
        "dataset": "rsna",
        "arm": "original",
        "fraction": 0.01,
        "features": "proxy",
        "measure": "kid",
        "value": 0.01,
    }
    near, far = ({**pool, "low": low, "floor": 0.001, "floor_high": 0.002} for low in (0.001, 0.003))
    write_table(tmp_path, "tables/fidelity.csv", [near])
    assert lines_images.fidelity(facts(tmp_path)).state == "green"
    write_table(tmp_path, "tables/fidelity.csv", [near, far])
    line = lines_images.fidelity(facts(tmp_path))
    assert line.state == "amber" and line.reason.startswith(
        "1 of 2 distances (KID, seen by the network proxy) is larger than between real films"
    )


@pytest.mark.parametrize(("p", "value", "state"), [(0.01, 0.2, "green"), (0.01, -0.2, "red"), (0.9, 0.2, "amber")])
def test_controls(tmp_path: Path, p: float, value: float, state: str) -> None:
    row = difference(2, value, value - 0.1, value + 0.1, p, against="duplicate")
    config = study(arms=["original", "duplicate"])
    line = lines_answer.controls(facts(write_results(tmp_path, [row]), config))
    assert line.state == state and line.reason.startswith("Against repeated real films the images are better in ")
    alone = lines_answer.controls(facts(tmp_path))
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
        "In 1 of 20 comparisons within a group the score is surely worse with images; chance alone would give less than one. Among them: RSNA Pneumonia (sex g0)"
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
    assert line.state == "green" and line.reason.startswith("In none of 2 comparisons within a group")


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
        "2 films stand among the worst of a comparison. The largest change is that of b of RSNA Pneumonia for lung opacity: 0.90 "
        "with real films alone, 0.30 with images."
    )
    write_table(tmp_path, "tables/failures.csv", rows[1:])
    assert lines_answer.failures(facts(tmp_path)).reason.startswith("1 film stands among the worst")


def test_films_from_elsewhere_are_counted_without_a_verdict(tmp_path: Path) -> None:
    row = {"dataset": "rsna", "metric": "f1", "fraction": 0.01, "tested_on": "chexpert"}
    cells = [("real", 0, 0.5), ("original", 2, 0.6), ("original", 5, 0.4)]
    rows = [{**row, "arm": arm, "multiplier": many, "value": value} for arm, many, value in cells]
    write_table(tmp_path, "rsna/external.csv", rows)
    line = lines_answer.replication(facts(tmp_path))
    assert line.state == "amber" and "RSNA Pneumonia on CheXpert: better in 1 of 2 cells" in line.reason


@pytest.mark.parametrize(
    ("words", "state", "said"),
    [
        ("passes", "green", "1 pool: it passes."),
        ("undecided", "amber", "1 pool: it is undecided."),
        ("passes fails", "red", "2 pools: 1 passes and 1 fails."),
        ("passes passes undecided undecided fails fails", "red", "6 pools: 2 pass, 2 are undecided and 2 fail."),
    ],
)
def test_faithfulness_has_the_colour_of_the_worst_pool(tmp_path: Path, words: str, state: str, said: str) -> None:
    pool = {"dataset": "rsna", "arm": "original"}
    rows = [{**pool, "fraction": place, "verdict": word} for place, word in enumerate(words.split()) for _ in range(2)]
    write_table(tmp_path, "tables/faithfulness.csv", rows)
    line = lines_images.faithfulness(facts(tmp_path))
    assert line.state == state and line.reason == f"A model trained on real films looked at {said}"


@pytest.mark.parametrize(
    ("usable", "state", "said"),
    [
        (("True", "True"), "green", "On real films it tells 2 labels from chance; the least AUROC is 0.60."),
        (
            ("True", "False"),
            "amber",
            "1 of 2 labels is not told from chance on real films and refused for filtering: edema.",
        ),
        (
            ("False", "False"),
            "red",
            "2 of 2 labels are not told from chance on real films and refused for filtering: lung",
        ),
    ],
)
def test_refused_proxies_are_told(tmp_path: Path, usable: tuple[str, str], state: str, said: str) -> None:
    rows = [{"label": n, "auroc": a, "usable": u} for n, a, u in zip(("lung_opacity", "edema"), (0.7, 0.6), usable)]
    write_table(tmp_path, "proxy/validation.csv", rows)
    line = lines_proxy.proxy(facts(tmp_path))
    assert line.state == state and line.reason.startswith(said)


def test_a_shortcut_that_the_table_warns_of_is_quoted(tmp_path: Path) -> None:
    row = {"dataset": "rsna", "arm": "original", "fraction": 0.01, "multiplier": 2, "value": 0.01, "note": ""}
    few = {**row, "multiplier": None, "value": None, "note": "224 images and 40 films; 40 and 80 are needed"}
    write_table(tmp_path, "tables/shortcut.csv", [row, {**row, "multiplier": 5}, few])
    line = lines_images.shortcut(facts(tmp_path))
    assert line.state == "green" and "none of 2 training sets" in line.reason  # what lacks films warns of nothing
    write_table(tmp_path, "tables/shortcut.csv", [few])
    line = lines_images.shortcut(facts(tmp_path))
    assert line.state == "grey" and "224 images and 40 films" in line.reason
    write_table(tmp_path, "tables/shortcut.csv", [row, {**row, "multiplier": 5, "note": "source tells the label"}])
    line = lines_images.shortcut(facts(tmp_path))
    assert line.state == "amber" and line.reason.startswith("1 of 2 training sets") and "source tells" in line.reason


@pytest.mark.parametrize(("ends", "state"), [((0.1, 0.3), "green"), ((-0.1, 0.3), "amber"), ((-0.3, -0.1), "red")])
def test_other_seeds_confirm_or_contradict(tmp_path: Path, ends: tuple[float, float], state: str) -> None:
    cell = {name: HELPED[name] for name in ("dataset", "metric", "arm", "against", "fraction", "multiplier")}
    write_results(tmp_path, [HELPED])
    write_table(tmp_path, "tables/replication.csv", [{**cell, "low": ends[0], "high": ends[1], "n_seeds": 5}])
    line = lines_answer.replication(facts(tmp_path))
    assert line.state == state and line.reason.startswith("Over 5 seeds the interval confirms ")


def test_the_answer_over_seeds_counts_gains_and_losses(tmp_path: Path) -> None:
    assert over_seeds(facts(tmp_path)) == ""
    many = [difference(n, 0.2, 0.1, 0.3, 0.01) for n in (2, 5, 10)]
    write_results(tmp_path, many)
    names = ("dataset", "metric", "arm", "against", "fraction", "multiplier")
    ends = [(0.1, 0.3), (0.05, 0.1), (-0.3, -0.1)]
    rows = [
        {**{name: one[name] for name in names}, "low": low, "high": high, "n_seeds": 5}
        for one, (low, high) in zip(many, ends)
    ]
    write_table(tmp_path, "tables/replication.csv", rows)
    assert over_seeds(facts(tmp_path)) == (
        "Over 5 seeds of the whole study, the mean difference is a gain in 2 and a loss in 1 of 3 comparisons, beyond its 95 % interval."
    )
    write_table(tmp_path, "tables/replication.csv", [{**rows[0], "low": -0.1}])
    assert "is neither gain nor loss in any of 1 comparison," in over_seeds(facts(tmp_path))


@pytest.mark.parametrize(
    ("asked", "other", "auroc", "state"),
    [
        ((0.9, 0.8), (0.1, 0.2), 0.6, "green"),
        ((0.9, 0.8), (0.1, 0.2), 0.99, "amber"),
        ((0.9, 0.8), (0.9, 0.95), 0.6, "red"),
    ],
)
def test_masks_show_what_was_asked_for(
    tmp_path: Path, asked: tuple[float, float], other: tuple[float, float], auroc: float, state: str
) -> None:
    rows = [
        {"measure": "shown_if_asked", "of": "all", "value": asked[0], "low": asked[1], "high": 1.0, "floor": "n/a"},
        {"measure": "shown_if_not_asked", "of": "all", "value": other[0], "low": 0.0, "high": other[1], "floor": "n/a"},
        {"measure": "two_sample_auroc", "of": "all", "value": auroc, "low": "n/a", "high": "n/a", "floor": 0.5},
    ]
    write_table(tmp_path, "rsna/masks/original/fraction-0.1/masks.csv", rows)
    write_table(
        tmp_path, "rsna/masks/shuffled/fraction-0.1/masks.csv", rows[:1]
    )  # a control, of which nothing was asked
    line = lines_masks.masks(facts(tmp_path))
    assert line.state == state and line.reason.startswith(
        "Arm original for RSNA Pneumonia at 10 %: a finding is there in 90 % of the masks that were asked for it"
    )
    for fraction in (0.2, 0.5):
        write_table(
            tmp_path, f"rsna/masks/original/fraction-{fraction}/masks.csv", [{**rows[0], "value": 0.8}, *rows[1:]]
        )
    line = lines_masks.masks(facts(tmp_path))
    assert line.state == state and line.reason.startswith(
        "Each of 3 sets of masks: a finding is there in 80 to 90 % of the masks that were asked for it, and in "
    )


@pytest.mark.parametrize(("low", "high", "state"), [(0.01, 0.2, "green"), (-0.01, 0.2, "amber"), (-0.2, -0.01, "red")])
def test_generated_masks_are_held_against_masks_at_random(tmp_path: Path, low: float, high: float, state: str) -> None:
    own = study()
    own["arms"] = {
        **own["arms"],
        "made": {"generator": "controlnet", "masks": "generated"},
        "mixed": {"generator": "controlnet", "masks": "shuffled"},
    }
    plain = difference(2, 0.1, low, high, 0.2)
    rows = [
        {**plain, "arm": "made", "against": "mixed"},
        {**plain, "arm": "made", "against": "real", "low": -9, "high": -8},
        {**plain, "arm": "made", "against": "mixed", "metric": "recall", "low": -9, "high": -8},
    ]
    write_table(tmp_path, "tables/differences.csv", rows)
    line = lines_masks.worth(facts(tmp_path, own))
    assert line.state == state and line.reason.endswith(f"2 per film: +0.10 ({span(low, high)}).")
    rest = rows[1:2]
    write_table(tmp_path, "tables/differences.csv", rest)
    assert lines_masks.worth(facts(tmp_path, own)).state == "grey"


@pytest.mark.parametrize(("sharp", "kept", "state"), [(0.1, 0.97, "green"), (0.1, 0.9, "amber"), (0.65, 0.97, "red")])
def test_edits_change_the_class_and_not_the_child(tmp_path: Path, sharp: float, kept: float, state: str) -> None:
    row = {"method": "ddpm", "to": "any", "low": 0.6, "high": 0.8}
    rows = [{**row, "measure": "flip_rate", "value": 0.7}, {**row, "measure": "identity_pixels", "value": 1.0}]
    rows += [
        {**row, "measure": "identity_features", "value": kept},
        {**row, "to": "normal", "measure": "flip_rate", "value": 0},
        {**row, "method": "as-sharp", "measure": "flip_rate", "value": sharp},
    ]
    write_table(tmp_path, "rsna/edits/edits.csv", rows)
    line = lines_edits.edits(facts(tmp_path))
    assert line.state == state and line.reason == (
        "RSNA Pneumonia: in 70 % of the edits by ddpm (95 % interval 60 to 80 %) a judge sees the other class; "
        f"{100 * sharp:g} % where the film is only made as sharp as its edit. Of the edited films {100 * kept:g} % look most like "
        "their own film, among all films."
    )


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
