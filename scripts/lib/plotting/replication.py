"""Replication over seeds as dots: every seed's difference, the interval of their mean, and what a single run states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scripts.lib.evidence.bootstrap import NORMAL
from scripts.lib.evidence.replication import CELL
from scripts.lib.plotting.evidence import HARM, Marks, draw_rows
from scripts.lib.plotting.panels import look
from scripts.lib.plotting.style import INK, SOFT

WHY = "No difference of figures.metrics can be had under any seed; tables/replication.csv says why."


def draw_replication(table: pd.DataFrame, seeds: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Return the figure for `table` (columns REPLICATION) and the `seeds` behind it (columns SEEDS).

    `settings` as in `draw_evidence`. A seed is a dot; the thick line is the 95 % interval of the mean over seeds, the thin one
    reaches as far as a single run's standard error says.
    """
    values = seeds.groupby(CELL)["difference"].agg(tuple)
    table = table.assign(values=[values[tuple(row[name] for name in CELL)] for row in table.to_dict("records")])
    return draw_rows(table, settings, Marks("mean", _limit, _draw_mark, _reading()), WHY)


def _limit(rows: pd.DataFrame) -> float:
    """Return half the width of the axis: every seed fits, and most intervals."""
    dots = max(abs(value) for values in rows["values"] for value in values)
    ends = pd.concat([rows["low"].abs(), rows["high"].abs(), rows["mean"].abs() + NORMAL * rows["se_within"]]).dropna()
    usual = float(ends.quantile(0.8)) * 1.1 if len(ends) else 0.0
    return max(1.15 * dots, min(usual, 3 * dots), 0.05)


def _draw_mark(axis: Axes, y: float, row: Mapping[Any, Any], place: int, limit: float) -> None:
    colour, marker = look(place)
    reach = NORMAL * row["se_within"]
    _line(axis, y, (row["mean"] - reach, row["mean"] + reach), limit, color=SOFT, lw=0.6, zorder=3.5)
    _line(axis, y, (row["low"], row["high"]), limit, color=colour, lw=2.2, alpha=0.55, zorder=3)
    values = np.array(row["values"])
    axis.plot(values, np.full(len(values), y), "o", ms=2.0, mfc=INK, mec="none", alpha=0.8, zorder=5, clip_on=False)
    decided = row["low"] > 0 or row["high"] < 0
    face = colour if decided else "white"
    axis.plot([row["mean"]], [y], marker, ms=4.4, mfc=face, mec=colour, mew=0.9, zorder=4, clip_on=False)


def _line(axis: Axes, y: float, span: tuple[float, float], limit: float, **drawn: Any) -> None:
    if not np.isnan(span[0]):
        axis.plot(np.clip(span, -limit, limit), [y, y], solid_capstyle="butt", **drawn)


def _reading() -> list[Any]:
    plain: dict[str, Any] = {"marker": "o", "ls": "", "ms": 4.4, "mec": INK, "mew": 0.9}
    return [
        Line2D([], [], marker="o", ls="", ms=2.0, mfc=INK, mec="none", label="one seed"),
        Line2D([], [], mfc=INK, label="mean, its interval leaves out 0", **plain),
        Line2D([], [], mfc="white", label="mean, cannot tell", **plain),
        Line2D([], [], color=INK, lw=2.2, alpha=0.55, label="95 % interval of the mean"),
        Line2D([], [], color=SOFT, lw=0.6, label="95 % as one run states"),
        Patch(facecolor=HARM, label="harm"),
    ]
