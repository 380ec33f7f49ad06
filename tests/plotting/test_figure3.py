"""Figure 3: its table cut from trials by hand, its films chosen evenly over the ranking, its marks where they belong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.statistics import significance
from scripts.lib.evidence.tables import FIGURE2, SIGNIFICANCE, arms_of_cell
from scripts.lib.plotting.figure3 import ScoredImage, choose_samples, draw_figure3
from scripts.lib.plotting.style import save
from scripts.lib.study.tables import TRIALS

ARMS = ["proxy-filtered", "original", "proxy-tuned"]
SETTINGS = {
    "metrics": {"multilabel": "f1"},
    "datasets": [{"name": "chexpert", "title": "CheXpert", "task": "multilabel"}],
    "figure3": {"dataset": "chexpert", "fraction": 0.01, "multiplier": 2, "arms": ARMS},
}


@pytest.fixture
def trials():
    rows = [
        [
            "chexpert",
            "multilabel",
            "f1",
            fraction,
            arm,
            multiplier,
            trial,
            7 + trial,
            4,
            4 * multiplier,
            base + trial / 50,
        ]
        for fraction in (0.01, 0.1)
        for arm, base in (("real", 0.2), ("original", 0.28), ("proxy-filtered", 0.25), ("proxy-tuned", 0.29))
        for multiplier in ((0,) if arm == "real" else (2, 5))
        for trial in (0, 1)
    ]
    return pd.DataFrame(rows, columns=TRIALS)


@pytest.fixture
def table(trials):
    baselines = pd.DataFrame(
        [["chexpert", "multilabel", "f1", "all_positive", 0.22]],
        columns=["dataset", "task", "metric", "baseline", "value"],
    )
    tests = significance(trials, metrics=["f1"])[SIGNIFICANCE]
    return arms_of_cell(trials, baselines, tests, SETTINGS, "figure3")


def test_the_table_holds_one_cell_of_each_arm_in_the_figures_order(table):
    assert list(table.columns) == FIGURE2
    means = table[table["kind"] == "mean"]
    assert list(means["arm"]) == ["real", *ARMS]
    assert list(means["multiplier"]) == [0, 2, 2, 2] and set(means["fraction"]) == {0.01}
    # real: (0.20 + 0.22) / 2 = 0.21; filtered 0.26; original 0.29; tuned 0.30
    assert list(means["value"]) == pytest.approx([0.21, 0.26, 0.29, 0.30])
    assert list(means["difference"].iloc[1:]) == pytest.approx([0.05, 0.08, 0.09])
    assert (table["kind"] == "trial").sum() == 8 and (table["kind"] == "baseline").sum() == 1


def test_an_arm_without_trials_is_named(trials):
    short = trials[trials["arm"] != "proxy-tuned"]
    tests = significance(short, metrics=["f1"])[SIGNIFICANCE]
    lines = pd.DataFrame(columns=["dataset", "task", "metric", "baseline", "value"])
    with pytest.raises(InputError, match="arm proxy-tuned, fraction 0.01, multiplier 2"):
        arms_of_cell(short, lines, tests, SETTINGS, "figure3")


def scored(count=11):
    scores = pd.DataFrame({"condition_id": [f"c{k:02d}" for k in range(count)], "sample": 0, "label": "edema"})
    scores["score"] = [((k * 7) % count) / count for k in range(count)]
    return scores, scores[scores["score"] >= 9 / count][["condition_id", "sample"]]


def test_films_are_spread_evenly_over_the_ranking_and_know_whether_they_were_kept():
    scores, kept = scored()
    rows = choose_samples(scores, kept, ["edema"], 6)
    # Ranks 0, 2, 4, 6, 8, 10 of scores k / 11; kept are those from 9 / 11 on.
    assert list(rows["score"]) == pytest.approx([0, 2 / 11, 4 / 11, 6 / 11, 8 / 11, 10 / 11])
    assert list(rows["kept"]) == [False] * 5 + [True]
    with pytest.raises(InputError, match="no image of label 'pneumonia'"):
        choose_samples(scores, kept, ["pneumonia"], 6)


def test_the_figure_frames_the_kept_films_and_draws_every_trial(table, tmp_path):
    films = [ScoredImage(np.full((8, 8), 30 * k, np.uint8), label, k / 4, k > 2) for label in "ab" for k in range(4)]
    figure = draw_figure3(table, films, {"proxy-tuned": "proxy tuned"})
    axes = [axis for part in figure.subfigs for axis in part.axes]
    shown = [axis for axis in axes if axis.images]
    assert len(shown) == 8 and sum(axis.spines["top"].get_visible() for axis in shown) == 2
    assert [axis.get_title() for axis in shown[:4]] == ["0.00", "0.25", "0.50", "0.75"]
    bars = next(axis for axis in axes if not axis.images)
    assert [bar.get_height() for bar in bars.patches] == pytest.approx([0.21, 0.26, 0.29, 0.30])
    points = np.concatenate([line.get_ydata() for line in bars.lines if line.get_marker() == "o"])
    assert len(points) == 8
    assert bars.get_xticklabels()[-1].get_text() == "proxy\ntuned"
    first, second = tmp_path / "a.pdf", tmp_path / "b.pdf"
    save(figure, [first])
    save(draw_figure3(table, films, {"proxy-tuned": "proxy tuned"}), [second])
    assert first.read_bytes() == second.read_bytes()
