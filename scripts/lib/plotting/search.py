"""What a search found: the score of every proposal with the best so far, and the importance of each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scripts.lib.plotting.panels import COLOURS, titled_panels
from scripts.lib.plotting.style import GRID, INK, MM, SOFT, journal_style

HEIGHT = 58.0  # mm


def draw_search(history: pd.DataFrame, importance: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Return the figure for the tables of summarize_search; `settings`: width_mm."""
    with journal_style():
        size = (settings["width_mm"] * MM, HEIGHT * MM)
        figure, axes = plt.subplots(1, 2, figsize=size, squeeze=False, layout="constrained")
        panels = [("Every proposal", _history), ("What matters", _importance)]
        for axis, draw in titled_panels(axes, panels):
            draw(axis, history if draw is _history else importance)
    return figure


def _history(axis: Axes, table: pd.DataFrame) -> None:
    known = table[table["score"].notna()]
    for number in sorted(known["round"].unique().tolist()):
        rows, colour = known[known["round"] == number], COLOURS[int(number) % len(COLOURS)]
        axis.plot(rows["number"], rows["score"], "o", ms=4, color=colour, label=f"round {number}")
    axis.plot(table["number"], table["best"], color=INK, lw=1, drawstyle="steps-post", label="best so far")
    axis.axhline(table["score"].iloc[0], color=SOFT, lw=0.6, ls=":", label="defaults")
    failed = table[table["score"].isna()]
    if len(failed):
        axis.plot(failed["number"], [known["score"].max()] * len(failed), "x", color=SOFT, ms=5, label="failed")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("proposal")
    axis.set_ylabel("KID to films of split validate")
    axis.grid(color=GRID, lw=0.6)
    axis.legend(fontsize=6, frameon=False)


def _importance(axis: Axes, table: pd.DataFrame) -> None:
    names = [key.removeprefix("class_ldm.") for key in table["key"]]
    if table["importance"].isna().all():
        axis.text(
            0.5, 0.5, table["note"].iloc[0], ha="center", va="center", wrap=True, transform=axis.transAxes, fontsize=7
        )
        axis.set_axis_off()
        return
    axis.barh(names, table["importance"], color=COLOURS[0])
    axis.set_xlabel("share of the variance of the score (fANOVA)")
