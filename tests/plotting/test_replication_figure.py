"""replication.png: every seed is a dot, beside the mean with its interval and what a single run states; same bytes twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.lib.evidence.replication import REPLICATION, SEEDS
from scripts.lib.plotting.panels import MARKERS
from scripts.lib.plotting.replication import draw_replication
from tests.plotting.test_evidence_figure import SETTINGS

VALUES = (0.02, 0.05, 0.11)


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a cell of two datasets each; the second lies left of 0, and its interval reaches far."""
    rows, seeds = [], []
    for dataset, metric, shift, half in (
        ("siim", "dice", 0.0, 0.05),
        ("rsna", "f1", -0.1, 2.0),
        ("rsna", "auroc", 0.3, 0.1),
    ):
        about = {
            "dataset": dataset,
            "task": "any",
            "metric": metric,
            "fraction": 0.1,
            "arm": "original",
            "against": "real",
        }
        cell = {**about, "multiplier": 2}
        mean = float(np.mean(VALUES)) + shift
        rows.append({**cell, "mean": mean, "low": mean - half, "high": mean + half, "se_within": 0.02})
        seeds += [{**cell, "seed": seed, "difference": value + shift} for seed, value in enumerate(VALUES)]
    return pd.DataFrame(rows).reindex(columns=REPLICATION), pd.DataFrame(seeds).reindex(columns=SEEDS)


def test_seeds_mean_and_intervals_are_drawn_where_they_belong() -> None:
    figure = draw_replication(*tables(), SETTINGS)
    siim, rsna = (axis for axis in figure.axes if axis.get_visible())
    for axis, shift, half in ((siim, 0.0, 0.05), (rsna, -0.1, None)):
        dots = next(line for line in axis.lines if len(line.get_xdata()) == 3)
        assert list(dots.get_xdata()) == pytest.approx([value + shift for value in VALUES])
        mean = 0.06 + shift
        mark = next(line for line in axis.lines if line.get_marker() in MARKERS and len(line.get_xdata()) == 1)
        assert mark.get_xdata()[0] == pytest.approx(mean)
        spans = [tuple(line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 2][-2:]
        limit = axis.get_xlim()[1]
        assert spans[0] == pytest.approx((mean - 1.959964 * 0.02, mean + 1.959964 * 0.02))
        assert spans[1] == pytest.approx((mean - half, mean + half) if half else (-limit, limit))
    assert siim.lines[-1].get_markerfacecolor() != "white" and rsna.lines[-1].get_markerfacecolor() == "white"


def test_what_a_study_of_one_run_has_not_is_left_out() -> None:
    table, seeds = tables()
    figure = draw_replication(table.assign(low=np.nan, high=np.nan, se_within=np.nan), seeds, SETTINGS)
    assert not [line for axis in figure.axes for line in axis.lines if len(line.get_xdata()) == 2 and line.get_alpha()]
    empty = draw_replication(table.iloc[:0], seeds.iloc[:0], SETTINGS)
    assert "under any seed" in empty.texts[0].get_text()
