"""What models were trained on (rows) against what they were tested on (columns): a matrix for each fraction and metric.

The number in a cell is the mean of the trials, below it stand the lowest and the highest. The darker a cell, the higher the score;
the numbers say the same without colour. Below the name of a column stand how much was tested and what one answer for all scores.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scripts.lib.plotting.figure2 import METRIC_NAMES
from scripts.lib.plotting.panels import titled_panels, without_panels
from scripts.lib.plotting.style import GRID, INK, MM, SOFT, SYNTHETIC, journal_style
from scripts.lib.study.tasks import TASKS
from scripts.lib.study.transfer import BOTH, IMAGES_OF, OWN, REAL_FILMS

CELL_MM, HEAD_MM, FOOT_MM = 10.5, 26.0, 5.0  # height of a row; of titles and names of columns; of the note below
SCALE = LinearSegmentedColormap.from_list("scores", ("#f2f6fb", *SYNTHETIC))
LIGHTEST = 0.8  # the lightest cell is the lowest mean of a metric, or this, so that small differences stay small
DARK = 0.66  # share of the scale from which on numbers are white
VAIN = "▾"
NOTE = f"Mean of the trials, below it the lowest and the highest. {VAIN} no better than one answer for all."
ROW_WIDTH, COLUMN_WIDTH = 26, 15  # characters of a line of a name


def draw_transfer(table: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Return the figure of results/tables/transfer.csv; `settings`: width_mm, `titles` {dataset: title}. Without a number it says so."""
    if not table["mean"].notna().any():
        return without_panels(settings["width_mm"], "No model was tested on more than its own films.")
    groups = table.groupby(["dataset", "fraction"], sort=False)
    lines = [(str(key[0]), float(str(key[1])), part) for key, part in groups]
    beside = max(part["metric"].nunique() for *_, part in lines)
    rows = [len(part[["arm", "multiplier"]].drop_duplicates()) for *_, part in lines]
    size = (settings["width_mm"] * MM, (sum(rows) * CELL_MM + len(rows) * HEAD_MM + FOOT_MM) * MM)
    shares = {"height_ratios": rows}
    with journal_style():
        figure, axes = plt.subplots(
            len(lines), beside, figsize=size, squeeze=False, layout="constrained", gridspec_kw=shares
        )
        for number, ((dataset, fraction, part), across) in enumerate(zip(lines, axes)):
            of_whom = f" of {settings['titles'].get(dataset, dataset)}" if len(settings["titles"]) > 1 else ""
            words = f"{fraction * 100:g} % of the real films{of_whom}"
            panels = [(f"{METRIC_NAMES.get(name, name)}, {words}", name) for name in _metrics(part)]
            for place, (axis, metric) in enumerate(titled_panels(across, panels, number * beside)):
                least = min(float(table["mean"][table["metric"] == metric].min()), LIGHTEST)
                _draw_panel(axis, part[part["metric"] == metric], Normalize(least, 1.0), not place)
        foot = FOOT_MM * MM / size[1]
        figure.get_layout_engine().set(rect=(0, foot, 1, 1 - foot))  # type: ignore[union-attr,call-arg]  # it is a constrained one
        figure.text(0.005, foot / 2, NOTE, fontsize=6, color=SOFT, va="center")
    return figure


def _metrics(part: pd.DataFrame) -> list[str]:
    """Return the metrics of a part in the order of its task."""
    known = TASKS[part["task"].iloc[0]].metrics
    return sorted(dict.fromkeys(part["metric"]), key=known.index)


def row_order(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Return (arm, multiplier) of the rows: real films alone, with something added, what learned from no film of its own."""

    def rank(words: str) -> int:
        kinds = (words == REAL_FILMS, words == f"{BOTH} images", words.startswith(BOTH), words.startswith("images"))
        return kinds.index(True) if True in kinds else len(kinds)

    first = table.drop_duplicates(["arm", "multiplier"])
    ranked = sorted(
        zip(first["trained_on"], first["arm"], first["multiplier"]), key=lambda one: (rank(one[0]), one[1], one[2])
    )
    return [(arm, int(multiplier)) for _, arm, multiplier in ranked]


def column_order(names: Sequence[str]) -> list[str]:
    """Return the names of what was tested: own films, films of others, images."""
    return sorted(dict.fromkeys(names), key=lambda name: (name != OWN, name.startswith(IMAGES_OF), name))


def _draw_panel(axis: Axes, part: pd.DataFrame, scale: Normalize, named: bool) -> None:
    """Draw the matrix of one dataset, fraction and metric; `named`: with the names of its rows."""
    rows, columns = row_order(part), column_order(list(part["tested_on"]))
    cells = {(row["arm"], row["multiplier"], row["tested_on"]): row for row in part.to_dict("records")}
    for down, key in enumerate(rows):
        for across, tested in enumerate(columns):
            _draw_cell(axis, across, down, cells.get((*key, tested)), scale)
    axis.set_xlim(-0.5, len(columns) - 0.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xticks(
        range(len(columns)), [_column_name(part[part["tested_on"] == name]) for name in columns], fontsize=6
    )
    axis.xaxis.tick_top()
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("tested on", color=SOFT)
    axis.set_ylabel("trained on" if named else "", color=SOFT)
    axis.tick_params(length=0, labeltop=True)
    firsts = [part[(part["arm"] == arm) & (part["multiplier"] == multiplier)].iloc[0] for arm, multiplier in rows]
    axis.set_yticks(range(len(rows)), [_row_name(first) if named else "" for first in firsts], fontsize=6)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _draw_cell(axis: Axes, across: int, down: int, cell: Mapping[Any, Any] | None, scale: Normalize) -> None:
    known = cell is not None and not np.isnan(cell["mean"])
    share = float(scale(cell["mean"])) if cell is not None and known else 0.0
    colour = SCALE(share) if known else GRID
    axis.add_patch(Rectangle((across - 0.5, down - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    if cell is None or not known:
        axis.text(across, down, "–" if cell is None else "n/a", ha="center", va="center", color=SOFT)
        return
    ink = "white" if share > DARK else INK
    vain = f" {VAIN}" if cell["mean"] <= cell["baseline"] + 1e-9 else ""
    several = cell["n_trials"] > 1
    axis.text(
        across, down - 0.16 * several, f"{cell['mean']:.2f}{vain}", ha="center", va="center", color=ink, fontsize=8
    )
    if several:
        span = f"{cell['min']:.2f} to {cell['max']:.2f}"
        axis.text(across, down + 0.24, span, ha="center", va="center", color=ink, fontsize=5.5)


def _column_name(rows: pd.DataFrame) -> str:
    """Return the name of a column, how much was tested, and what one answer for all scores there."""
    name, first = str(rows["tested_on"].iloc[0]), rows.iloc[0]
    kind = "images" if name.startswith(IMAGES_OF) else "films"
    lines = [*textwrap.wrap(name, COLUMN_WIDTH), f"{first['n_tested']:.0f} {kind}"]
    if pd.notna(first["baseline"]):
        lines.append(f"one answer: {first['baseline']:.2f}")
    return "\n".join(lines)


def _row_name(first: pd.Series) -> str:
    """Return the name of a row: what was trained on, the arm, and how much of each."""
    words, real = str(first["trained_on"]), f"{first['n_real']:.0f}"
    made = f"{first['n_synthetic']:.0f}"
    counts = f"{real} films" if words == REAL_FILMS else f"{real} + {made}" if REAL_FILMS in words else made
    arm = "" if first["arm"] == "real" else f"{first['arm']}: "
    return "\n".join([*textwrap.wrap(words, ROW_WIDTH), f"{arm}{counts}"])
