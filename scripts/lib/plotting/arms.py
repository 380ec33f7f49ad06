"""Bars of one cell's arms beside the real films alone: the mean, every trial, the gain and its P value."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scripts.lib.plotting.figure2 import DASHES, METRIC_NAMES, draw_baseline
from scripts.lib.plotting.style import ALERT, GRID, INK, REAL, SOFT, SYNTHETIC
from scripts.lib.study.exposure import NOT_LIMITED

DAGGER = "†"  # an arm that learned from more training films than its fraction
ARM_NAMES = {"real": "real only"}


def draw_arms(axis: Axes, table: pd.DataFrame, names: Mapping[str, str]) -> None:
    """Draw the tidy table of one cell (columns of `tables.FIGURE2`), arms in its order; `names` are for print."""
    means, points = table[table["kind"] == "mean"], table[table["kind"] == "trial"]
    arms = list(dict.fromkeys(means["arm"]))
    colours = dict(zip(arms, [REAL, *SYNTHETIC[1:]]))
    for place, arm in enumerate(arms):
        cell = means[means["arm"] == arm].iloc[0]
        dots = points.loc[points["arm"] == arm, "value"].dropna().to_numpy()
        _draw_bar(axis, place, cell, dots, colours[arm])
    exposed = {arm for arm, note in zip(means["arm"], means["note"]) if NOT_LIMITED in str(note)}
    shown = [names.get(arm, ARM_NAMES.get(arm, arm)) + DAGGER * (arm in exposed) for arm in arms]
    axis.set_xticks(range(len(arms)), [name.replace(" ", "\n") for name in shown])
    axis.set_ylabel(_axis_name(means.iloc[0]))
    baselines = table.loc[table["kind"] == "baseline", "value"]
    top = np.nanmax([*points["value"], *baselines, 0.05])
    axis.set_ylim(0, min(top * 1.22, 1.1))
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    draw_baseline(axis, table)
    _draw_key(axis, means, bool(exposed))


def _draw_bar(axis: Axes, place: int, cell: pd.Series, dots: np.ndarray, colour: str) -> None:
    if np.isnan(cell["value"]):
        axis.text(place, 0, "n/a", ha="center", va="bottom", fontsize=6.5, color=SOFT)
        return
    axis.bar(place, cell["value"], 0.66, color=colour, edgecolor=INK, linewidth=0.6, zorder=2)
    spread = np.linspace(-0.14, 0.14, len(dots)) if len(dots) > 1 else np.zeros(len(dots))
    axis.plot(place + spread, dots, "o", ms=3.2, mfc="white", mec=INK, mew=0.6, zorder=4, clip_on=False)
    if np.isnan(cell["p_bonferroni"]):
        return
    star = "★ " if cell["significant"] else ""
    text = f"{star}{cell['difference']:+.2f}\nP = {cell['p_bonferroni']:.2g}"
    highest = max([cell["value"], *dots])
    axis.annotate(text, (place, highest), (0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=5.8)


def _axis_name(cell: pd.Series) -> str:
    name = METRIC_NAMES.get(cell["metric"], cell["metric"])
    labels = "mean " if cell["task"] == "multilabel" else ""
    return f"{cell['title']}, {cell['fraction'] * 100:g} % of real films\n{labels}{name}"


def _draw_key(axis: Axes, means: pd.DataFrame, exposed: bool) -> None:
    times = means.loc[means["multiplier"] > 0, "multiplier"]
    marks = [Line2D([], [], marker="o", ls="", ms=3.2, mfc="white", mec=INK, mew=0.6, label="one trial (bar: mean)")]
    marks.append(Line2D([], [], color=ALERT, lw=0.9, ls=DASHES, label="one answer for all films"))
    title = f"synthetic arms: {int(times.iloc[0])}× real; P: one-tailed t, Bonferroni" if len(times) else None
    if exposed:
        title = "\n".join(
            filter(None, [title, f"{DAGGER} {NOT_LIMITED} this share of the films, see the table's note"])
        )
    axis.legend(
        handles=marks,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=2,
        title=title,
        title_fontsize=6.5,
        fontsize=6.5,
    )
