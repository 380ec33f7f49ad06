"""Reliability curves: the share of positive films against the mean score of a bin, real films alone beside the figures' arm.

All labels of a dataset are counted together. A curve below the diagonal promises too much, one above it too little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from scripts.lib.evidence.calibration import wilson
from scripts.lib.plotting.panels import COLOURS, MARKERS, legend_entries, legend_room, letter, without_panels
from scripts.lib.plotting.style import GRID, INK, MM, SOFT, journal_style
from scripts.lib.study.arms import REAL

PANEL = 52.0  # mm of height


def draw_calibration(curve: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Return the figure for a table of reliability curves (columns CURVE): a row of panels a dataset, a panel a fraction.

    settings  the section figures, with `datasets` [{name, title, task}] of the study and `arm`, drawn beside the real films

    Without a dataset whose models give probabilities the figure says so.
    """
    shown = curve[curve["arm"].isin([REAL, settings["arm"]])]
    rows = [one for one in settings["datasets"] if (shown["dataset"] == one["name"]).any()]
    if not rows:
        return without_panels(settings["width_mm"], "No model of this study gives probabilities.")
    with journal_style():
        fractions = sorted(set(shown["fraction"]), key=float)
        multipliers = sorted(set(shown["multiplier"]))
        width = max(settings["width_mm"] * min(len(fractions), 3) / 3, 60)
        beside, foot = legend_room([_name(multiplier) for multiplier in multipliers], width)
        height = PANEL * len(rows) + foot
        size = (width * MM, height * MM)
        figure, axes = plt.subplots(
            len(rows), len(fractions), figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
        )
        rect = (0, foot / height, 1, 1 - foot / height)
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=0.05, h_pad=0.05))
        for row, dataset in enumerate(rows):
            for column, fraction in enumerate(fractions):
                panel = shown[(shown["dataset"] == dataset["name"]) & (shown["fraction"] == fraction)]
                axis = axes[row, column]
                _draw_panel(axis, panel, multipliers)
                name = letter(row * len(fractions) + column)
                axis.set_title(f"{name}   {dataset['title']}, {float(fraction) * 100:g} %", loc="left", fontsize=7.5)
        for axis in axes[-1]:
            axis.set_xlabel("mean score of the bin")
        for axis in axes[:, 0]:
            axis.set_ylabel("share of positive films")
        handles = legend_entries(axes)
        figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=beside)
    return figure


def _draw_panel(axis: Axes, panel: pd.DataFrame, multipliers: list[int]) -> None:
    axis.plot([0, 1], [0, 1], color=SOFT, lw=0.6, ls="--", zorder=1)
    axis.grid(color=GRID, lw=0.6)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_aspect("equal")
    for place, multiplier in enumerate(multipliers):
        rows = panel[panel["multiplier"] == multiplier]
        if rows.empty:
            continue
        bins = together(rows)
        colour = INK if multiplier == 0 else COLOURS[(place - 1) % len(COLOURS)]
        marker = MARKERS[place % len(MARKERS)]
        line: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "ms": 2.8,
            "lw": 0.9,
            "label": _name(multiplier),
            "zorder": 3,
        }
        axis.plot(bins["mean_score"], bins["share"], **line)
        axis.vlines(bins["mean_score"], bins["low"], bins["high"], color=colour, lw=0.6, alpha=0.6, zorder=2)


def _name(multiplier: int) -> str:
    return f"{multiplier}× synthetic" if multiplier else "real films alone"


def together(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a bin of a cell's labels counted together: mean_score, share, low, high, n."""
    weighed = rows.assign(scores=rows["mean_score"] * rows["n"], positives=rows["share"] * rows["n"])
    sums = weighed.groupby("bin")[["scores", "positives", "n"]].sum()
    sums["mean_score"], sums["share"] = sums["scores"] / sums["n"], sums["positives"] / sums["n"]
    ends = [wilson(float(share), float(count)) for share, count in zip(sums["share"], sums["n"])]
    return sums.assign(low=[end[0] for end in ends], high=[end[1] for end in ends])
