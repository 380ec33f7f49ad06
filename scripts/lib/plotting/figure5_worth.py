"""What the images of Figure 5 are worth: a panel for each task, what readers said, and the legend of both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scripts.lib.evidence.table2 import CLAIMS, NAMES
from scripts.lib.plotting.figure2 import DASHES, HALO, draw_baseline
from scripts.lib.plotting.style import ALERT, GRID, INK, REAL, SOFT


def draw_task(axis: Axes, panel: pd.DataFrame, colours: Mapping[str, str], mark: str) -> None:
    means, points = panel[panel["kind"] == "mean"], panel[panel["kind"] == "trial"]
    at, ticks, groups = 0.0, [], []
    for fraction in sorted(means["fraction"].unique()):
        start = at
        here = means[means["fraction"] == fraction]
        for times in sorted(here["multiplier"].unique()):
            cells = here[here["multiplier"] == times]
            places = at + np.arange(len(cells)) * 0.8
            for x, (_, cell) in zip(places, cells.iterrows()):
                same = (
                    (points["fraction"] == fraction) & (points["arm"] == cell["arm"]) & (points["multiplier"] == times)
                )
                _draw_bar(axis, x, cell, points.loc[same, "value"].dropna().to_numpy(), colours.get(cell["arm"], REAL))
            ticks.append((float(places.mean()), "real" if not times else f"{int(times)}×"))
            at = places[-1] + 1.25
        films = points.loc[points["fraction"] == fraction, "n_real"].dropna()
        groups.append(((start + at - 1.25) / 2, f"{fraction * 100:g} %, n = {films.median():,.0f}"))
        at += 0.7
    axis.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    for place, text in groups:
        axis.annotate(text, (place, 0), (0, -17), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", va="top", fontsize=6.8)  # fmt: skip
    best = panel.loc[panel["kind"] == "baseline", "value"]
    top = float(np.nanmax([*points["value"], *best, 0.05]))
    axis.set_ylim(0, min(max(top, min(float(means["high"].max()), 1.4 * top)) * 1.12, 1.12))
    metric, task = panel["metric"].iloc[0], panel["task"].iloc[0]
    axis.set_ylabel(NAMES.get(metric, metric))
    axis.set_title(f"{mark}   {str(task).capitalize()}", loc="left", pad=7)
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    draw_baseline(axis, panel)


def _draw_bar(axis: Axes, x: float, cell: pd.Series, dots: np.ndarray, colour: str) -> None:
    if np.isnan(cell["value"]):
        axis.text(x, 0, "n/a", rotation=90, ha="center", va="bottom", fontsize=6, color=SOFT)
        return
    axis.bar(x, cell["value"], 0.72, color=colour, edgecolor=INK, linewidth=0.5, zorder=2)
    spread = np.linspace(-0.16, 0.16, len(dots)) if len(dots) > 1 else np.zeros(len(dots))
    axis.plot(x + spread, dots, "o", ms=2.6, mfc="white", mec=INK, mew=0.5, zorder=4, clip_on=False)
    if not np.isnan(cell["low"]):
        axis.plot(
            [x, x], [cell["low"], cell["high"]], "-_", color=INK, lw=0.8, ms=3, mew=0.8, zorder=3, path_effects=HALO
        )
    if bool(cell["significant"]):
        axis.annotate("★", (x, np.nanmax([cell["value"], cell["high"], *dots])), (0, 3), textcoords="offset points", ha="center", va="bottom", fontsize=7, zorder=5)  # fmt: skip


def draw_shares(axis: Axes, shares: pd.DataFrame | None, mark: str, colour: str) -> None:
    axis.set_title(f"{mark}   Readers", loc="left", pad=7)
    if shares is None or shares.empty:
        say(axis, "nobody has\nread these\nimages yet")
        return
    if shares["simulated"].any():
        axis.set_xlabel("simulated: no person\nhas seen these films", labelpad=4, fontsize=6.3)
    questions = [name for name in CLAIMS if name in set(shares["question"])]
    sources = list(dict.fromkeys(shares["source"]))
    for place, question in enumerate(questions):
        for turn, source in enumerate(sources):
            answers = shares[(shares["question"] == question) & (shares["source"] == source)]
            x = place + (turn - (len(sources) - 1) / 2) * 0.38
            for _, row in answers.iterrows():
                axis.bar(
                    x, row["share"], 0.34, color=REAL if source == "real" else colour, edgecolor=INK, linewidth=0.5
                )
                axis.plot([x, x], [row["low"], row["high"]], "-_", color=INK, lw=0.8, ms=3, path_effects=HALO)
        axis.plot([place - 0.42, place + 0.42], [CLAIMS[question][0]] * 2, color=ALERT, lw=1, ls=DASHES)
    axis.set_xticks(range(len(questions)), questions)
    axis.set_ylim(0, 1.02)
    axis.set_ylabel("share of yes (dashed: AURAD)")
    axis.grid(axis="y", color=GRID, linewidth=0.6)


def draw_legend(figure: SubFigure, colours: Mapping[str, str], names: Mapping[str, str], starred: bool) -> None:
    handles: list[Patch | Line2D] = [
        Patch(facecolor=REAL, edgecolor=INK, linewidth=0.5, label=names.get("real", "real films only"))
    ]
    handles += [
        Patch(facecolor=colour, edgecolor=INK, linewidth=0.5, label=names.get(arm, arm))
        for arm, colour in colours.items()
    ]
    handles.append(
        Line2D(
            [],
            [],
            marker="o",
            ls="",
            ms=2.6,
            mfc="white",
            mec=INK,
            mew=0.5,
            label="one trial (bar: mean, line: 95 % interval)",
        )
    )
    handles.append(Line2D([], [], color=ALERT, lw=0.9, ls=DASHES, label="trivial baseline"))
    if starred:
        handles.append(
            Line2D(
                [],
                [],
                marker="$★$",
                ls="",
                ms=5,
                mfc=INK,
                mec="none",
                label="better than real only (one-tailed t, Bonferroni)",
            )
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=6.3, columnspacing=1.2)


def say(axis: Axes, text: str) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    axis.text(0.5, 0.5, text, ha="center", va="center", color=SOFT, transform=axis.transAxes)
