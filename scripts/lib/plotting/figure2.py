"""Figure 2 of the paper: downstream performance with real films alone and with more and more synthetic ones.

One panel a dataset; groups of bars are the share of real films, bars the multiplier, hatched bars further arms at their
largest one. A bar is the mean, each dot one trial, the upright line the 95 % interval of the mean, the dashed line the best
score that needs no image at all, a star a significant gain.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

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
PANEL_HEIGHT, LEGEND_ROW = 60, 7  # mm
# Further arms: colours of other hues than the multipliers', with hatches that tell them apart in grey.
BESIDE = (("#dcdcdc", "//////"), ("#f3c567", "......"), ("#a9d8bd", "\\\\\\\\"))

LegendPart = tuple[Sequence[Patch | Line2D], int]  # its entries, and in how many columns they stand


@dataclass(frozen=True)
class BarLook:
    """How one kind of bar looks, and its name in the legend."""

    colour: str
    hatch: str
    name: str


def draw_figure2(table: pd.DataFrame, width_mm: float = 183.0, beside: Mapping[str, str] | None = None) -> Figure:
    """Return the figure for the tidy table of Figure 2 (columns FIGURE2 and ENDS of `scripts.lib.evidence.tables`).

    `width_mm`: a journal's full width, for two columns of panels; a single panel takes three fifths of it. `beside`: {arm: name
    in print} of arms that get a bar of their own.
    """
    datasets = list(dict.fromkeys(table["dataset"]))
    if not datasets:
        raise InputError("figure 2: the table has no rows")
    table, bars = _with_bars(table, beside or {})
    columns = min(len(datasets), 2)
    rows = -(-len(datasets) // columns)
    with journal_style():
        means = table[table["kind"] == "mean"]
        legend = _legend(bars, columns == 1, bool(means["significant"].any()), bool(means["low"].notna().any()))
        height = PANEL_HEIGHT * rows + LEGEND_ROW * _rows(legend)
        size = (width_mm * MM * (0.6 if columns == 1 else 1), height * MM)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for number, axis in enumerate(axes.flat):
            if number >= len(datasets):
                axis.set_visible(False)
                continue
            panel = table[table["dataset"] == datasets[number]]
            _draw_panel(axis, panel, bars)
            axis.set_title(f"{letter(number)}   {panel['title'].iloc[0]}", loc="left", pad=7)
            if number + columns >= len(datasets):
                axis.set_xlabel("share of the real training films (n: their number)", labelpad=5)
        _draw_legend(figure, legend)
    return figure


def _with_bars(table: pd.DataFrame, beside: Mapping[str, str]) -> tuple[pd.DataFrame, dict[Hashable, BarLook]]:
    """Return the table with the bar of each row, a multiplier or an arm of `beside`, and these bars in order.

    An arm of `beside` has one bar a fraction, so rows of all but its largest multiplier are left out.
    """
    table = table.reset_index(drop=True)
    named = table["arm"].isin(list(beside))
    largest = table.groupby(["dataset", "fraction", "arm"])["multiplier"].transform("max")
    table = table[~named | (table["multiplier"] == largest)]
    table = table.assign(bar=table["multiplier"].astype(object).where(~named, table["arm"]))
    means = table[table["kind"] == "mean"]
    multipliers = sorted(int(value) for value in means.loc[~means["arm"].isin(list(beside)), "multiplier"].unique())
    synthetic = [value for value in multipliers if value]
    bars: dict[Hashable, BarLook] = {0: BarLook(REAL, "", "real films only")} if 0 in multipliers else {}
    bars |= {m: BarLook(colour, "", f"+ {m}× synthetic") for m, colour in zip(synthetic, shades(len(synthetic)))}
    there = [arm for arm in beside if (means["arm"] == arm).any()]
    bars |= {arm: BarLook(*BESIDE[place % len(BESIDE)], beside[arm]) for place, arm in enumerate(there)}
    return table, bars


def _draw_panel(axis: Axes, panel: pd.DataFrame, bars: Mapping[Hashable, BarLook]) -> None:
    means, points = panel[panel["kind"] == "mean"], panel[panel["kind"] == "trial"]
    fractions = sorted(panel["fraction"].dropna().unique())
    shown = [bar for bar in bars if (means["bar"] == bar).any()]
    width = GROUP / len(shown)
    best = _baseline(panel)
    top = np.nanmax([*points["value"], best[1] if best else 0.05, 0.05])
    # Intervals of a few trials may reach to 1: they go on beyond the panel.
    axis.set_ylim(0, min(max(top, min(means["high"].max(), 1.4 * top)) * 1.16, 1.08))
    for group, fraction in enumerate(fractions):
        here = means[means["fraction"] == fraction].set_index("bar")
        # A fraction with fewer multipliers is drawn as a narrower group, centred, without holes.
        present = [bar for bar in shown if bar in here.index]
        for number, bar in enumerate(present):
            middle = group + (number - (len(present) - 1) / 2) * width
            dots = points[(points["fraction"] == fraction) & (points["bar"] == bar)]["value"].dropna()
            _draw_bar(axis, middle, width, here.loc[bar], dots.to_numpy(), bars[bar])
    axis.set_xticks(range(len(fractions)), [_group_name(points, fraction) for fraction in fractions])
    axis.set_xlim(-0.55, len(fractions) - 0.45)
    axis.set_ylabel(_axis_name(panel))
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    draw_baseline(axis, panel)


def _draw_bar(axis: Axes, x: float, width: float, cell: pd.Series, dots: np.ndarray, bar: BarLook) -> None:
    if np.isnan(cell["value"]):
        axis.text(x, 0, "n/a", rotation=90, ha="center", va="bottom", fontsize=6, color=SOFT)
        return
    axis.bar(x, cell["value"], width * 0.86, color=bar.colour, hatch=bar.hatch, edgecolor=INK, linewidth=0.5, zorder=2)
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


def _legend(bars: Mapping[Hashable, BarLook], narrow: bool, starred: bool, sure: bool) -> list[LegendPart]:
    """Return the parts of the legend, each with its columns: the multipliers, the further arms, and what the marks are."""
    patches = {
        key: Patch(facecolor=bar.colour, hatch=bar.hatch, edgecolor=INK, linewidth=0.5, label=bar.name)
        for key, bar in bars.items()
    }
    says = "bar: mean, line: 95 % interval" if sure else "bar: mean"
    marks = [
        Line2D([], [], marker="o", ls="", ms=2.9, mfc="white", mec=INK, mew=0.6, label=f"one trial ({says})"),
        Line2D([], [], color=ALERT, lw=0.9, ls=DASHES, label="trivial baseline: one answer for all"),
    ]
    if starred:
        label = "better than real only (one-tailed t, Bonferroni)"
        marks.append(Line2D([], [], marker="$★$", ls="", ms=5, mfc=INK, mec="none", label=label))
    added = [patch for key, patch in patches.items() if not isinstance(key, str)]
    further = [patch for key, patch in patches.items() if isinstance(key, str)]
    parts: list[LegendPart] = [
        (added, 3 if narrow else len(added)),
        (further, 1 if narrow else 3),
        (marks, 1 if narrow else 3),
    ]
    return [(handles, min(count, len(handles))) for handles, count in parts if handles]


def _rows(legend: list[LegendPart]) -> int:
    return sum(-(-len(handles) // columns) for handles, columns in legend)


def _draw_legend(figure: Figure, legend: list[LegendPart]) -> None:
    """Put the parts of the legend below the panels, one under the other."""
    height, rows = figure.get_figheight() / MM, _rows(legend)
    free = LEGEND_ROW * rows
    rect = (0, free / height, 1, 1 - free / height)
    figure.set_layout_engine(ConstrainedLayoutEngine(rect=rect, w_pad=0.06, h_pad=0.05, wspace=0.03))
    above = 0.0
    for handles, columns in legend:
        own = -(-len(handles) // columns)
        middle = (free - (above + own / 2) * LEGEND_ROW) / height
        above += own
        figure.legend(
            handles=handles,
            loc="center",
            bbox_to_anchor=(0.5, middle),
            ncols=columns,
            columnspacing=1.5,
            handletextpad=0.5,
        )
