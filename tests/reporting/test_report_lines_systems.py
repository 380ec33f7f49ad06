"""Lines about masks from words, about edits and about what images alone teach, with numbers reckoned by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.reporting.page import lines_edits, lines_masks, lines_transfer
from scripts.lib.reporting.page.words import span
from tests.helpers.report_tables import difference, facts, study, write_table

HELPED = difference(2, 0.2, 0.1, 0.3, 0.01)


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


@pytest.mark.parametrize(
    ("low", "note", "end"),
    [
        (0.45, "", "; it may follow fewer than half of them."),
        (0.6, "the judge learned from other films", "; the judge learned from other films."),
    ],
)
def test_edits_that_a_judge_seldom_or_too_easily_follows_are_in_doubt(
    tmp_path: Path, low: float, note: str, end: str
) -> None:
    row = {"method": "ddpm", "to": "any", "low": low, "high": 0.8, "note": note}
    rows = [
        {**row, "measure": "flip_rate", "value": 0.7},
        {**row, "measure": "identity_pixels", "value": 1.0, "note": ""},
    ]
    write_table(tmp_path, "rsna/edits/edits.csv", rows)
    line = lines_edits.edits(facts(tmp_path))
    assert line.state == "amber" and line.reason.endswith(f"100 % look most like their own film, among all films{end}")


@pytest.mark.parametrize(("mean", "low", "state"), [(0.8, 0.7, "green"), (0.8, 0.5, "amber"), (0.55, 0.5, "red")])
def test_what_images_alone_teach_is_held_against_one_answer_for_all(
    tmp_path: Path, mean: float, low: float, state: str
) -> None:
    own = study()
    row = {"dataset": "rsna", "task": "classification", "metric": "f1", "fraction": 0.1, "tested_on": "own films"}
    row |= {"min": low, "max": 0.9, "high": 0.9, "baseline": 0.6, "n_tested": 40, "n_real": 10, "n_synthetic": 50}
    rows = [
        {**row, "arm": "real", "trained_on": "real films", "mean": 0.85, "low": 0.8},
        {**row, "arm": "made", "trained_on": "images", "mean": mean, "low": low},
    ]
    rows.append({**rows[1], "tested_on": "images of made", "mean": 0.1})
    rows.append({**rows[1], "trained_on": "real films and images", "mean": 0.1})
    write_table(tmp_path, "tables/transfer.csv", [*rows, {**rows[1], "metric": "auroc", "mean": 0.1}])
    line = lines_transfer.transfer(facts(tmp_path, own))
    assert line.state == state and line.reason == (
        f"RSNA Pneumonia at 10 %: models of images alone (arm made) have F1 {mean:.2f} (95 % interval {span(low, 0.9)}) on the "
        "dataset's own test films, beside 0.85 of real films alone and 0.60 of one answer for all."
    )
    write_table(tmp_path, "tables/transfer.csv", [rows[0], {**rows[0], "tested_on": "MIMIC"}])
    line = lines_transfer.transfer(facts(tmp_path, own))
    assert line.state == "amber" and line.reason.endswith("Models were also tested on: MIMIC.")
