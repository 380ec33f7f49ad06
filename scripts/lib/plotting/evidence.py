"""The evidence at a glance: every difference to the real films alone, and to each control, with its 95 % interval.

One panel a dataset; a row is a fraction and a multiplier, a mark one comparison. What lies left of 0 is harm and shaded. Colours
are those of Okabe and Ito, which all kinds of colour vision tell apart; shapes differ as well, so grey print is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from scripts.lib.evidence.resampling import SMALLER_IS_BETTER
from scripts.lib.plotting.figure2 import METRIC_NAMES
from scripts.lib.plotting.panels import NARROW, look, titled_panels, without_panels
from scripts.lib.plotting.style import GRID, INK, MM, SOFT, journal_style
from scripts.lib.study.arms import REAL

# Okabe and Ito (2008), without yellow, which print loses.
HARM = "#efe3e1"
ROW, MARK = 5.0, 2.6  # mm of height: a row, and each further mark in it
HEAD = 15.0  # mm around the rows of a panel
LEGEND_LINE = 4.2  # mm


@dataclass(frozen=True)
class Marks:
    """How rows are drawn: the column of their value, half the width of an axis, one mark, and entries of the legend."""

    value: str
    limit: Callable[[pd.DataFrame], float]
    draw: Callable[[Axes, float, Mapping[Any, Any], int, float], None]
    reading: Sequence[Any]


def draw_evidence(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Return the figure for a table of differences (columns of `scripts.lib.evidence.differences.DIFFERENCES`).

    `settings`: `datasets` = panels in order, {name, title, task} each, `metrics` = the metric of each task, `width_mm`.
    Without any difference of these metrics the figure says so.
    """
    marks = Marks("difference", _limit, _draw_mark, _reading())
    return draw_rows(
        table, settings, marks, "No difference of figures.metrics can be had; tables/differences.csv says why."
    )


def draw_rows(table: pd.DataFrame, settings: Mapping[str, Any], marks: Marks, why: str) -> Figure:
    """Return a figure with a panel for each dataset and a line for each fraction and multiplier; `why` nothing is drawn."""
    panels = []
    for dataset in settings["datasets"]:
        metric = settings["metrics"][dataset["task"]]
        rows = table[(table["dataset"] == dataset["name"]) & (table["metric"] == metric)]
        rows = rows[rows[marks.value].notna()]
        if len(rows):
            panels.append((dataset["title"], metric, rows))
    if not panels:
        return without_panels(settings["width_mm"], why)
    every = pd.concat([rows for _, _, rows in panels])
    series = sorted(set(zip(every["arm"], every["against"])), key=lambda pair: (pair[1] != REAL, pair))
    columns = min(len(panels), 2)
    lines = -(-len(panels) // columns)
    heights = [
        HEAD + max(sum(_heights(rows)) for _, _, rows in panels[line * columns : (line + 1) * columns])
        for line in range(lines)
    ]
    with journal_style():
        width = settings["width_mm"] * MM * (NARROW if columns == 1 else 1)
        beside = 2 if columns == 1 else 4  # entries of the legend in a line
        named = LEGEND_LINE * (1 + -(-len(series) // beside)) + 1
        foot = named + LEGEND_LINE * -(-len(marks.reading) // beside) + 2
        figure, axes = plt.subplots(
            lines,
            columns,
            figsize=(width, (sum(heights) + foot) * MM),
            squeeze=False,
            layout="constrained",
            height_ratios=heights,
        )
        share = foot / (sum(heights) + foot)
        rect = (0, share, 1, 1 - share)
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=0.06, h_pad=0.05, wspace=0.04))
        for axis, (metric, rows) in titled_panels(axes, [(title, (metric, rows)) for title, metric, rows in panels]):
            _draw_panel(axis, rows, series, metric, marks)
        _draw_legend(figure, series, marks.reading, beside, (share, share * (1 - named / foot)))
    return figure


def _settings(rows: pd.DataFrame) -> list[tuple[float, int]]:
    return sorted(set(zip(rows["fraction"].astype(float), rows["multiplier"].astype(int))))


def _heights(rows: pd.DataFrame) -> list[float]:
    """Return the height in mm that each setting of a panel needs for its marks."""
    marks = [_of_setting(rows, *setting)[["arm", "against"]].drop_duplicates() for setting in _settings(rows)]
    return [ROW + MARK * (len(here) - 1) for here in marks]


def _of_setting(rows: pd.DataFrame, fraction: float, multiplier: int) -> pd.DataFrame:
    return rows[(rows["fraction"].astype(float) == fraction) & (rows["multiplier"] == multiplier)]


def _draw_panel(axis: Axes, rows: pd.DataFrame, series: Sequence[tuple[str, str]], metric: str, marks: Marks) -> None:
    settings, ends = _settings(rows), np.cumsum([0.0, *_heights(rows)])
    middles = (ends[1:] + ends[:-1]) / 2
    limit = marks.limit(rows)
    axis.set_xlim(-limit, limit)
    harm = (0, limit) if metric in SMALLER_IS_BETTER else (-limit, 0)
    axis.axvspan(*harm, color=HARM, lw=0, zorder=0)
    axis.axvline(0, color=INK, lw=0.8, zorder=1)
    for number, (fraction, multiplier) in enumerate(settings):
        if number and fraction != settings[number - 1][0]:
            axis.axhline(ends[number], color=SOFT, lw=0.5, zorder=1)
        cell = _of_setting(rows, fraction, multiplier)
        here = [pair for pair in series if pair in set(zip(cell["arm"], cell["against"]))]
        for row in cell.to_dict("records"):
            pair = (row["arm"], row["against"])
            shift = (here.index(pair) - (len(here) - 1) / 2) * MARK
            marks.draw(axis, middles[number] + shift, row, series.index(pair), limit)
    axis.set_yticks(middles, [f"{fraction * 100:g} %, {times}×" for fraction, times in settings])
    axis.set_ylim(ends[-1], 0)
    axis.grid(axis="x", color=GRID, lw=0.6)
    left, right = ("helps", "harms") if metric in SMALLER_IS_BETTER else ("harms", "helps")
    axis.set_xlabel(f"← {left}     difference of {METRIC_NAMES.get(metric, metric)}     {right} →")
    axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.tick_params(axis="x", length=2.5, width=0.6)


def _limit(rows: pd.DataFrame) -> float:
    """Return half the width of the axis: all differences fit, and intervals, but for the widest of a few trials."""
    ends = rows[["low", "high"]].abs().max(axis=1).dropna()
    usual = float(ends.quantile(0.75)) * 1.15 if len(ends) else 0.0
    return max(usual, 1.5 * float(rows["difference"].abs().max()), 0.05)


def _draw_mark(axis: Axes, y: float, row: Mapping[Any, Any], place: int, limit: float) -> None:
    colour, marker = look(place)
    known = not np.isnan(row["low"])
    if known:
        low, high = max(row["low"], -limit), min(row["high"], limit)
        axis.plot([low, high], [y, y], color=colour, lw=1.1, solid_capstyle="butt", zorder=3)
        for end, cut, arrow in ((low, row["low"] < -limit, "<"), (high, row["high"] > limit, ">")):
            shape = arrow if cut else "|"
            axis.plot([end], [y], shape, ms=3.4 if cut else 3.8, color=colour, mew=0.9, zorder=3, clip_on=False)
    decided = known and (row["low"] > 0 or row["high"] < 0)
    face = colour if decided else "white"
    axis.plot([row["difference"]], [y], marker, ms=4.2, mfc=face, mec=colour, mew=0.9, zorder=4, clip_on=False)


def series_name(pair: tuple[str, str]) -> str:
    """Return how a comparison is called in print."""
    arm, against = pair
    return arm if against == REAL else f"{arm} against {against}"


def _reading() -> list[Any]:
    """Return the entries of the legend that say how to read a mark."""
    plain: dict[str, Any] = {"marker": "o", "ls": "", "ms": 4.2, "mec": INK, "mew": 0.9}
    return [
        Line2D([], [], mfc=INK, label="the 95 % interval leaves out 0", **plain),
        Line2D([], [], mfc="white", label="cannot tell", **plain),
        Line2D([], [], marker=">", ls="", ms=3.4, color=INK, label="goes on"),
        Patch(facecolor=HARM, label="harm"),
    ]


def _draw_legend(
    figure: Figure, series: Sequence[tuple[str, str]], reading: Sequence[Any], beside: int, tops: tuple[float, float]
) -> None:
    """Put two blocks below the panels, `beside` entries in a line: what the marks stand for, and how to read one."""
    marks = []
    for number, pair in enumerate(series):
        colour, marker = look(number)
        drawn: dict[str, Any] = {"marker": marker, "ms": 4.2, "mfc": colour, "mec": colour, "color": colour, "lw": 1.1}
        marks.append(Line2D([], [], **drawn, label=series_name(pair)))
    blocks: tuple[list[Any], list[Any]] = (marks, list(reading))
    for handles, top in zip(blocks, tops):
        title = "against real films alone, unless another arm is named" if handles is marks else None
        figure.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, top),
            ncols=min(len(handles), beside),
            borderaxespad=0.2,
            title=title,
            title_fontsize=6.5,
            columnspacing=1.5,
            handletextpad=0.5,
        )
