"""The test films that got worse by the synthetic images, worst first, a row a dataset; the outline is the true mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.failures import shown_cell
from scripts.lib.plotting.panels import without_panels
from scripts.lib.plotting.style import ALERT, MM, journal_style

SHOWN = 6  # films of a dataset
ROW = 39.0  # mm of height


def draw_failures(table: pd.DataFrame, cohorts: Mapping[str, Cohort], settings: Mapping[str, Any]) -> Figure:
    """Return the figure for a table of failures (columns FAILURES) and the cohorts of its datasets.

    settings  the section figures, with `datasets` [{name, title, task}]

    Raises InputError where a film of the table is not in its cohort.
    """
    titles = {one["name"]: one["title"] for one in settings["datasets"]}
    shown = shown_cell(table, list(titles))
    if not shown:
        return without_panels(settings["width_mm"], "No test film got worse.")
    with journal_style():
        size = (settings["width_mm"] * MM, ROW * len(shown) * MM)
        figure, axes = plt.subplots(len(shown), SHOWN, figsize=size, squeeze=False)
        figure.set_layout_engine(ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - 0.06 / len(shown)), h_pad=0.13, w_pad=0.03))
        for line, (name, rows) in zip(axes, shown.items()):
            first = rows.iloc[0]
            cell = f"{float(first['fraction']) * 100:g} % real films, {first['multiplier']}× {first['arm']}"
            # A title is wider than its film and must not widen the column.
            place = {"ha": "left", "va": "bottom", "transform": line[0].transAxes, "in_layout": False}
            line[0].text(0, 1.04, f"{titles[name]}, {cell}", fontsize=8.5, fontweight="bold", **place)
            for axis, row in zip(line, rows.head(SHOWN).to_dict("records")):
                _draw_film(axis, row, cohorts[name])
            for axis in line:
                axis.set_axis_off()
    return figure


def _draw_film(axis: Axes, row: Mapping[Any, Any], cohort: Cohort) -> None:
    places = cohort.index.index[cohort.index["image_id"].astype(str) == str(row["image_id"])]
    if not len(places):
        raise InputError(
            f"{cohort.folders[0]}: no film {row['image_id']}, which the predictions name; run its trials again"
        )
    place = [int(places[0])]
    axis.imshow(cohort.images(place)[0], cmap="gray", vmin=0, vmax=255)
    if row["label"] in cohort.structures:
        mask = cohort.mask(place, row["label"])[0]
        if mask.any():
            axis.contour(mask, levels=[0.5], colors=[ALERT], linewidths=0.6)
    truth = "has " if row["truth"] > 0 else "no "
    label = str(row["label"]).replace("_", " ")
    axis.text(
        0.5, -0.03, f"{truth}{label}\n{row['real']:.2f} → {row['synthetic']:.2f}", ha="center", va="top",
        transform=axis.transAxes, fontsize=5.8,
    )  # fmt: skip
