"""Figure 2 of the paper: downstream performance with real films alone and with more and more synthetic ones.

One panel a dataset; groups of bars are the share of real films, bars the multiplier. A bar is the mean, each dot one
trial, the upright line the 95 % interval of the mean, the dashed line the best score that needs no image at all, a star a
significant gain.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from scripts.lib.core.errors import InputError
from scripts.lib.plotting.panels import letter
from scripts.lib.plotting.style import ALERT, GRID, INK, MM, REAL, SOFT, journal_style, shades
from scripts.lib.study.tasks import of_structures

METRIC_NAMES = {
    "dice": "Dice",
    "iou": "IoU",
    "f1": "F1",
    "f1_tuned": "F1 (tuned threshold)",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "map": "mAP",
    "ap50": "AP50",
    "froc": "FROC",
}
BASELINE_NAMES = {"all_positive": "all positive", "all_negative": "all negative", "mean_box": "mean box"}
HALO = [withStroke(linewidth=2, foreground="white")]  # a line is seen on dark bars as well
DASHES = (0, (4, 2.5))
GROUP = 0.84  # width of a group of bars; groups stand 1 apart
PANEL_HEIGHT, LEGEND_HEIGHT = 60, 14  # mm


def draw_figure2(table: pd.DataFrame, width_mm: float = 183.0) -> Figure:
    """Return the figure for the tidy table of Figure 2 (columns FIGURE2 and ENDS of `scripts.lib.evidence.tables`).

    `width_mm`: a journal's full width, for two columns of panels; a single panel takes three fifths of it.
    """
    datasets = list(dict.fromkeys(table["dataset"]))
    if not datasets:
        raise InputError("figure 2: the table has no rows")
    multipliers = sorted(int(value) for value in table.loc[table["kind"] == "mean", "multiplier"].unique())
    colours = {0: REAL} | dict(zip([m for m in multipliers if m], shades(sum(m > 0 for m in multipliers))))
    columns = min(len(datasets), 2)
    rows = -(-len(datasets) // columns)
    with journal_style():
        height = PANEL_HEIGHT * rows + LEGEND_HEIGHT * (2 if columns == 1 else 1)
        size = (width_mm * MM * (0.6 if columns == 1 else 1), height * MM)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for number, axis in enumerate(axes.flat):
            if number >= len(datasets):
                axis.set_visible(False)
                continue
            panel = table[table["dataset"] == datasets[number]]
            _draw_panel(axis, panel, colours)
            axis.set_title(f"{letter(number)}   {panel['title'].iloc[0]}", loc="left", pad=7)
            if number + columns >= len(datasets):
                axis.set_xlabel("share of the real training films (n: their number)", labelpad=5)
        means = table[table["kind"] == "mean"]
        _draw_legend(figure, colours, columns, bool(means["significant"].any()), bool(means["low"].notna().any()))
    return figure


def _draw_panel(axis: Axes, panel: pd.DataFrame, colours: dict[int, str]) -> None:
    means, points = panel[panel["kind"] == "mean"], panel[panel["kind"] == "trial"]
    fractions = sorted(panel["fraction"].dropna().unique())
    shown = [m for m in colours if (means["multiplier"] == m).any()]
    width = GROUP / len(shown)
    best = _baseline(panel)
    top = np.nanmax([*points["value"], best[1] if best else 0.05, 0.05])
    # Intervals of a few trials may reach to 1: they go on beyond the panel.
    axis.set_ylim(0, min(max(top, min(means["high"].max(), 1.4 * top)) * 1.16, 1.08))
    for group, fraction in enumerate(fractions):
        here = means[means["fraction"] == fraction].set_index("multiplier")
        # A fraction with fewer multipliers is drawn as a narrower group, centred, without holes.
        present = [m for m in shown if m in here.index]
        for number, multiplier in enumerate(present):
            middle = group + (number - (len(present) - 1) / 2) * width
            dots = points[(points["fraction"] == fraction) & (points["multiplier"] == multiplier)]["value"].dropna()
            _draw_bar(axis, middle, width, here.loc[multiplier], dots.to_numpy(), colours[multiplier])
    axis.set_xticks(range(len(fractions)), [_group_name(points, fraction) for fraction in fractions])
    axis.set_xlim(-0.55, len(fractions) - 0.45)
    axis.set_ylabel(_axis_name(panel))
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    draw_baseline(axis, panel)


def _draw_bar(axis: Axes, x: float, width: float, cell: pd.Series, dots: np.ndarray, colour: str) -> None:
    if np.isnan(cell["value"]):
        axis.text(x, 0, "n/a", rotation=90, ha="center", va="bottom", fontsize=6, color=SOFT)
        return
    axis.bar(x, cell["value"], width * 0.86, color=colour, edgecolor=INK, linewidth=0.5, zorder=2)
    spread = np.linspace(-1, 1, len(dots)) * width * 0.2 if len(dots) > 1 else [0.0]
    axis.plot(x + np.array(spread), dots, "o", ms=2.9, mfc="white", mec=INK, mew=0.6, zorder=4, clip_on=False)
    if not np.isnan(cell["low"]):
        ends = [cell["low"], cell["high"]]
        axis.plot([x, x], ends, "-_", color=INK, lw=0.8, ms=3.2, mew=0.8, zorder=3, path_effects=HALO)
    if cell["significant"]:
        top = axis.get_ylim()[1]
        highest = min(np.nanmax([cell["value"], *dots, cell["high"]]), max(0.96 * top, *dots))
        axis.annotate(
            "★", (x, highest), (0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=7, zorder=5
        )


def draw_baseline(axis: Axes, panel: pd.DataFrame) -> None:
    """Draw the best trivial baseline; its name stands beside the panel, where it hides no trial."""
    best = _baseline(panel)
    if best is None:
        return
    name, value = best
    axis.axhline(value, color=ALERT, linewidth=0.9, linestyle=DASHES, zorder=3)
    text = f"{BASELINE_NAMES.get(name, name)}\n{value:.2f}"
    axis.annotate(
        text, (1, value), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points", ha="left", va="center",
        fontsize=6.3, color=ALERT, linespacing=1.15,
    )  # fmt: skip


def _baseline(panel: pd.DataFrame) -> tuple[str, float] | None:
    """Return (name, value) of the best trivial baseline, None when there is none above 0."""
    lines = panel[(panel["kind"] == "baseline") & (panel["value"] > 0)]
    if lines.empty:
        return None
    best = lines.iloc[int(lines["value"].to_numpy().argmax())]
    return best["baseline"], float(best["value"])


def _group_name(points: pd.DataFrame, fraction: float) -> str:
    counts = points.loc[(points["fraction"] == fraction), "n_real"].dropna().astype(int)
    low, high = counts.min(), counts.max()
    films = f"{low:,}" if low == high else f"{low:,}-{high:,}"
    return f"{fraction * 100:g} %\nn = {films}"


def _axis_name(panel: pd.DataFrame) -> str:
    metric, task = panel["metric"].iloc[0], panel["task"].iloc[0]
    name = METRIC_NAMES.get(metric, metric)
    if of_structures({"task": task}) and panel["n_labels"].max() > 1:
        return f"Mean {name} over structures"
    return f"Mean {name} over labels" if task == "multilabel" else name


def _draw_legend(figure: Figure, colours: dict[int, str], columns: int, starred: bool, sure: bool) -> None:
    """Put two rows below the panels: what the bars are, and what the marks are."""
    names = {m: "real films only" if m == 0 else f"+ {m}× synthetic" for m in colours}
    bars = [Patch(facecolor=colours[m], edgecolor=INK, linewidth=0.5, label=names[m]) for m in colours]
    bar = "bar: mean, line: 95 % interval" if sure else "bar: mean"
    marks = [
        Line2D([], [], marker="o", ls="", ms=2.9, mfc="white", mec=INK, mew=0.6, label=f"one trial ({bar})"),
        Line2D([], [], color=ALERT, lw=0.9, ls=DASHES, label="trivial baseline: one answer for all"),
    ]
    if starred:
        label = "better than real only (one-tailed t, Bonferroni)"
        marks.append(Line2D([], [], marker="$★$", ls="", ms=5, mfc=INK, mec="none", label=label))
    narrow = columns == 1
    height = figure.get_figheight() / MM
    free = LEGEND_HEIGHT * (2 if narrow else 1)
    rect = (0, free / height, 1, 1 - free / height)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=0.06, h_pad=0.05, wspace=0.03))
    for handles, middle in ((bars, 0.7), (marks, 0.28)):
        shape = {"ncols": min(len(handles), 3) if narrow else len(handles), "columnspacing": 1.5, "handletextpad": 0.5}
        if narrow and handles is marks:
            shape["ncols"] = 1
        figure.legend(handles=handles, loc="center", bbox_to_anchor=(0.5, middle * free / height), **shape)
