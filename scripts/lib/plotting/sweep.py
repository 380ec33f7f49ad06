"""The distance of images to real films over guidance, a line for each number of solver steps, with the floor as a band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from scripts.lib.plotting.panels import NARROW, look, without_panels
from scripts.lib.plotting.style import GRID, MM, SOFT, journal_style

HEIGHT = 62.0  # mm
MEASURE = "kid"  # unbiased at any number of images
DODGE = 0.012  # share of the axis between lines, so that no interval hides another


def draw_sweep(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Return the figure of a table of sweep_sampling; `settings`: width_mm. A table without a number says why."""
    rows = table[(table["measure"] == MEASURE) & table["value"].notna()]
    if rows.empty:
        why = "; ".join(dict.fromkeys(filter(None, table["note"].fillna("")))) or "no row"
        return without_panels(settings["width_mm"], f"No KID can be had: {why}.")
    with journal_style():
        figure, axis = plt.subplots(figsize=(settings["width_mm"] * MM * NARROW, HEIGHT * MM), layout="constrained")
        low, high = rows["floor_low"].min(), rows["floor_high"].max()
        axis.axhspan(low, high, color=GRID, zorder=0, label="real against real")
        lines = list(rows.sort_values("guidance").groupby("steps"))
        aside = DODGE * float(rows["guidance"].max() - rows["guidance"].min())
        for number, (steps, line) in enumerate(lines):
            colour, marker = look(number)
            guidance = line["guidance"] + aside * (number - (len(lines) - 1) / 2)
            reach = [line["value"] - line["low"], line["high"] - line["value"]]
            axis.errorbar(
                guidance,
                line["value"],
                reach,
                marker=marker,
                ms=4,
                lw=1,
                capsize=2,
                color=colour,
                label=f"{steps} steps",
            )
        axis.set_xlabel("guidance (1 = none)")
        axis.set_ylabel(f"KID, {rows['features'].iloc[0]} features")
        axis.set_title(
            f"{rows['n'].iloc[0]} images against as many films of {rows['dataset'].iloc[0]}", color=SOFT, fontsize=7
        )
        axis.legend(fontsize=6, frameon=True, framealpha=1.0, edgecolor="none")  # the band is seen on white alone
    return figure
