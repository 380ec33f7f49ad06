"""Counterfactual edits: film, edit and signed difference, with what a judge says; typical ones, and the worst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from scripts.lib.plotting.panels import letter, without_panels
from scripts.lib.plotting.style import ALERT, INK, MM, SOFT, journal_style

COLUMNS = 6  # edits of a panel
ROW, HEAD = 24.0, 13.0  # mm of a row of films, and above a panel
REACH = 64  # grey levels at which a difference has its full colour
TITLES = ("original", "edited", "difference")


@dataclass(frozen=True)
class Drawn:
    """Edits of one panel: films and edits uint8 (n, H, W), and their rows of the table of films."""

    title: str
    films: np.ndarray
    edited: np.ndarray
    rows: pd.DataFrame


def pick(table: pd.DataFrame, count: int = COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of typical edits and of the worst, each at most `count`, of a table of films of one method.

    Typical are those nearest to the median gain of their class, as many of each class. Worst are those that look more like
    another child's film, in half of the places, and those with the smallest gain of the judge's probability: neither kind of
    failure hides the other.
    """
    classes = sorted(table["other"].unique())
    each = -(-count // max(1, len(classes)))
    typical: list[int] = []
    for name in classes:
        of_target = table[table["other"] == name]
        apart = (of_target["gain"] - of_target["gain"].median()).abs()
        typical += apart.sort_values(kind="stable").index[:each].tolist()
    kept = table[["first_pixels", "first_features"]].min(axis=1)
    lost = table.assign(kept=kept).sort_values(["kept", "gain", "image_id"], kind="stable").index
    least = table.sort_values(["gain", "image_id"], kind="stable").index
    half = lost[: min(-(-count // 2), int((kept < 1).sum()))]
    return np.array(typical[:count], int), np.asarray([*half, *(place for place in least if place not in half)][:count])


def draw_edits(panels: list[Drawn], about: str, settings: Mapping[str, Any]) -> Figure:
    """Return the figure; `settings`: width_mm, `about`: what is said above it."""
    panels = [panel for panel in panels if len(panel.rows)]
    if not panels:
        return without_panels(settings["width_mm"], "No film was edited.")
    with journal_style():
        height = len(panels) * (3 * ROW + HEAD) + 8
        figure = plt.figure(figsize=(settings["width_mm"] * MM, height * MM))
        figure.suptitle(about, fontsize=7, color=SOFT, y=0.995, va="top")
        parts = np.atleast_1d(np.asarray(figure.subfigures(len(panels), 1)))
        for place, (part, panel) in enumerate(zip(parts, panels)):
            _draw_panel(part, panel, letter(place))
    return figure


def _draw_panel(figure: SubFigure, panel: Drawn, name: str) -> None:
    figure.suptitle(f"{name}   {panel.title}", x=0.01, y=0.95, ha="left", va="top", fontsize=8.5, fontweight="bold")
    axes = np.asarray(figure.subplots(3, COLUMNS, squeeze=False))
    figure.subplots_adjust(left=0.07, right=0.995, bottom=0.03, top=0.82, wspace=0.04, hspace=0.06)
    for axis in axes.flat:
        axis.axis("off")
    for line, title in enumerate(TITLES):
        box = axes[line, 0].get_position()
        figure.text(
            0.055, (box.y0 + box.y1) / 2, title, rotation=90, ha="center", va="center", fontsize=6.5, color=SOFT
        )
    for place, (film, edited, row) in enumerate(zip(panel.films, panel.edited, panel.rows.to_dict("records"))):
        for line, pixels in enumerate((film, edited)):
            axes[line, place].imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        apart = edited.astype(float) - film
        axes[2, place].imshow(apart, cmap="RdBu_r", vmin=-REACH, vmax=REACH, interpolation="nearest")
        lost = min(row["first_pixels"], row["first_features"]) < 1
        said = f"to {str(row['other']).replace('_', ' ')}\n{row['before']:.2f} → {row['after']:.2f}"
        said += "\nlike another child" if lost else ""
        axes[0, place].set_title(said, fontsize=5.5, pad=2, color=ALERT if lost or not row["flipped"] > 0 else INK)
