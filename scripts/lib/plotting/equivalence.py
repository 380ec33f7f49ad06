"""The learning curve of the real films of each dataset, and each synthetic cell projected onto it.

A mark stands at the real films that its cell had and at the score it reached. A line leads from it to the curve: to the number of
real films that would have given the same score, with the interval of that number. An arrow at an end of the curve says that
the number lies beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from scipy.optimize import isotonic_regression

from scripts.lib.evidence.equivalence import CURVE, SYNTHETIC
from scripts.lib.plotting.figure2 import METRIC_NAMES
from scripts.lib.plotting.panels import NARROW, legend_entries, legend_room, look, titled_panels, without_panels
from scripts.lib.plotting.style import GRID, INK, MM, journal_style

PANEL = 62.0  # mm of height
INSIDE = 125.0  # points of height inside the axes of a panel
ALONE = "real films alone"
LABEL = 6.0  # points of height of a label


def draw_equivalence(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Return the figure for a table of equivalence (columns EQUIVALENCE); `settings` as for `draw_evidence`.

    Without any curve of the metrics of `settings` the figure says so.
    """
    panels = []
    for dataset in settings["datasets"]:
        metric = settings["metrics"][dataset["task"]]
        rows = table[(table["dataset"] == dataset["name"]) & (table["metric"] == metric) & table["score"].notna()]
        if (rows["kind"] == CURVE).any():
            panels.append((dataset["title"], metric, rows))
    if not panels:
        why = "No learning curve of figures.metrics can be had; tables/equivalence.csv says why."
        return without_panels(settings["width_mm"], why)
    with journal_style():
        columns = min(len(panels), 2)
        lines = -(-len(panels) // columns)
        arms = sorted(set(pd.concat([rows for _, _, rows in panels]).query("kind == @SYNTHETIC")["arm"]))
        width = settings["width_mm"] * (NARROW if columns == 1 else 1)
        beside, foot = legend_room([ALONE, *arms], width)
        size = (width * MM, (PANEL * lines + foot) * MM)
        figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained")
        share = foot / (PANEL * lines + foot)
        rect = (0, share, 1, 1 - share)
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=0.06, h_pad=0.05))
        for axis, (metric, rows) in titled_panels(axes, [(title, (metric, rows)) for title, metric, rows in panels]):
            _draw_panel(axis, rows, arms, metric)
        handles = legend_entries(axes)
        figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=beside)
    return figure


def _draw_panel(axis: Axes, rows: pd.DataFrame, arms: list[str], metric: str) -> None:
    curve = rows[rows["kind"] == CURVE].sort_values("n_real")
    axis.plot(curve["n_real"], curve["fitted"], color=INK, lw=1.2, label=ALONE, zorder=2)
    axis.plot(curve["n_real"], curve["score"], "o", ms=3.6, mfc="white", mec=INK, mew=0.8, zorder=3)
    ends = {"<=": ("<", curve["n_real"].min()), ">=": (">", curve["n_real"].max())}
    for row in rows[rows["kind"] == SYNTHETIC].to_dict("records"):
        place = arms.index(row["arm"])
        colour, marker = look(place)
        score, films = row["score"], row["n_equivalent"]
        if not np.isnan(films):
            axis.plot([row["n_real"], films], [score, score], color=colour, lw=0.5, ls=":", zorder=2)
        if not np.isnan(row["low"]):
            axis.plot([row["low"], row["high"]], [score, score], color=colour, lw=1.0, alpha=0.55, zorder=2)
        for bound, x in ((row["low_bound"], row["low"]), (row["high_bound"], row["high"]), (row["bound"], films)):
            if bound in ends:
                arrow, end = ends[bound]
                axis.plot([end], [score], arrow, ms=3.2, color=colour, clip_on=False, zorder=3)
            elif x is films and not np.isnan(films):
                axis.plot([films], [score], "|", ms=5, color=colour, mew=1.1, zorder=3)
        axis.plot([row["n_real"]], [score], marker, ms=4.2, color=colour, label=row["arm"], ls="", zorder=4)
    axis.set_xscale("log")
    axis.margins(x=0.18, y=0.09)
    _label(axis, rows[rows["kind"] == SYNTHETIC], arms)
    axis.grid(color=GRID, lw=0.6)
    axis.minorticks_off()
    numbers = sorted(set(curve["n_real"]))
    axis.set_xticks(numbers, [f"{number:,.0f}" for number in numbers])
    axis.set_xlabel("real films (log)")
    axis.set_ylabel(METRIC_NAMES.get(metric, metric))


def _label(axis: Axes, cells: pd.DataFrame, arms: list[str]) -> None:
    """Write its multiplier beside each mark; labels of marks at the same films make room for each other."""
    bottom, top = axis.get_ylim()
    axis.set_ylim(bottom, top)
    for _, column in cells.groupby("n_real"):
        column = column.sort_values(["score", "multiplier"])
        own = (column["score"].to_numpy(float) - bottom) / (top - bottom) * INSIDE
        for row, place, moved in zip(column.to_dict("records"), own, apart(own, LABEL, INSIDE)):
            colour, _ = look(arms.index(row["arm"]))
            axis.annotate(
                f"{row['multiplier']}×",
                (row["n_real"], row["score"]),
                (-10, moved - place),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=5.5,
                color=colour,
                zorder=5,
                bbox={"boxstyle": "square,pad=0.05", "fc": "white", "ec": "none", "alpha": 0.8},
                arrowprops={"arrowstyle": "-", "lw": 0.4, "color": colour, "shrinkA": 0, "shrinkB": 2},
            )


def apart(places: np.ndarray, gap: float, end: float) -> np.ndarray:
    """Return ascending places moved as little as possible (in squares), so that neighbours are `gap` apart, within 0 to `end`.

    Where there are too many for that, they begin at 0 and go beyond the end.
    """
    steps = gap * np.arange(len(places))
    free = isotonic_regression(places - steps).x if len(places) > 1 else places
    return np.clip(free, 0.0, max(end - gap * (len(places) - 1), 0.0)) + steps
