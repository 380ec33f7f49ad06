"""equivalence.png: labels of cells with nearly the same score stay apart, each beside its own mark; legends of narrow figures."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from scripts.lib.evidence.equivalence import CURVE, EQUIVALENCE, SYNTHETIC
from scripts.lib.plotting.calibration import draw_calibration
from scripts.lib.plotting.equivalence import apart, draw_equivalence

SETTINGS: dict[str, Any] = {
    "datasets": [{"name": "rsna", "title": "RSNA Pneumonia", "task": "classification"}],
    "metrics": {"classification": "f1"},
    "width_mm": 183,
}


def make_table(arms: tuple[str, ...]) -> pd.DataFrame:
    about = {"dataset": "rsna", "metric": "f1", "bound": "", "low_bound": "", "high_bound": ""}
    points = [(3, 0.2), (30, 0.5), (300, 0.9)]
    rows: list[dict[str, Any]] = [
        {**about, "kind": CURVE, "arm": "real", "multiplier": 0, "n_real": films, "score": score, "fitted": score}
        for films, score in points
    ]
    for place, arm in enumerate(arms):
        for multiplier in (2, 5, 10, 25):
            score = 0.5 + 0.001 * (multiplier + place)  # 0.502 to 0.527: all labels would lie on each other
            rows.append(
                {**about, "kind": SYNTHETIC, "arm": arm, "multiplier": multiplier, "n_real": 30, "score": score}
            )
    return pd.DataFrame(rows).reindex(columns=EQUIVALENCE)


@pytest.mark.parametrize("arms", [("original",), ("duplicate", "original", "pretrain")])
def test_no_label_lies_on_another(arms: tuple[str, ...]) -> None:
    figure = draw_equivalence(make_table(arms), SETTINGS)
    figure.canvas.draw()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    assert sorted(text.get_text() for text in texts) == sorted(["2×", "5×", "10×", "25×"] * len(arms))
    # An annotation's own extent holds its line, too.
    boxes = sorted((box.y0, box.y1) for box in (Text.get_window_extent(text) for text in texts))
    assert all(one[1] <= other[0] + 0.5 for one, other in zip(boxes, boxes[1:]))


@pytest.mark.parametrize("fractions", [["1"], ["0.2", "1"]], ids=len)
def test_the_legend_lies_within_the_figure(fractions: list[str]) -> None:
    arms = ("duplicate", "original", "pretrain", "proxy-filtered", "class-ldm-safe")
    rows = [
        {"dataset": "rsna", "fraction": fraction, "arm": arm, "multiplier": multiplier, "bin": 1, "n": 9}
        for fraction in fractions
        for arm, multiplier in [("real", 0), *(("original", 2 + place) for place in range(len(arms)))]
    ]
    curve = pd.DataFrame(rows).assign(mean_score=0.15, share=0.2, low=0.1, high=0.3)
    for figure in (
        draw_equivalence(make_table(arms), SETTINGS),
        draw_calibration(curve, SETTINGS | {"arm": "original"}),
    ):
        figure.canvas.draw()
        legend, lowest = figure.legends[0].get_window_extent(), min(axis.get_tightbbox().y0 for axis in figure.axes)
        assert legend.x0 >= 0 and legend.x1 <= figure.bbox.width and legend.y0 >= 0 and legend.y1 <= lowest
        plt.close(figure)


def test_places_move_no_further_than_they_must() -> None:
    # Steps of 6: 10, 11, 30 less 0, 6, 12 are 10, 5, 18. The first two fall and take their mean 7.5; with the steps again
    # 7.5, 13.5, 30.
    assert apart(np.array([10.0, 11.0, 30.0]), 6.0, 100.0) == pytest.approx([7.5, 13.5, 30.0])
    assert apart(np.array([5.0]), 6.0, 100.0) == pytest.approx([5.0])


def test_places_stay_inside_where_there_is_room() -> None:
    # Around 99 of 100 two labels would reach 96 and 102; the upper one may reach 100.
    assert apart(np.array([99.0, 99.0]), 6.0, 100.0) == pytest.approx([94.0, 100.0])
    assert apart(np.array([1.0, 1.0]), 6.0, 100.0) == pytest.approx([0.0, 6.0])
    assert apart(np.zeros(4), 6.0, 10.0) == pytest.approx([0.0, 6.0, 12.0, 18.0])
