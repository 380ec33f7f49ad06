"""The figure of agreement: alpha and ICC with intervals, and each rater's severity and drift."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.lib.plotting.style import ALERT, INK, MM, SOFT, SYNTHETIC, journal_style

NAMES = {"alpha": "Krippendorff's α", "icc2k": "ICC(2,k)"}


def draw_agreement(table: pd.DataFrame, raters: pd.DataFrame, width_mm: float = 180) -> Figure:
    """Return the figure; what cannot be measured is named in its place."""
    with journal_style():
        height = 22 + 7 * max(len(table), 2 * len(raters), 4)
        figure, (left, right) = plt.subplots(1, 2, figsize=(width_mm * MM, height * MM), layout="constrained")
        _agreement(left, table)
        _raters(right, raters)
    return figure


def _agreement(axis: Axes, table: pd.DataFrame) -> None:
    places = np.arange(len(table))[::-1]
    rows = table.to_dict("records")
    for place, row in zip(places, rows):
        if np.isnan(row["value"]):
            axis.text(0.02, place, "not measurable", color=SOFT, va="center")
            continue
        colour = SYNTHETIC[3] if row["measure"] == "alpha" else INK
        if np.isfinite(row["ci_low"]):
            axis.plot([row["ci_low"], row["ci_high"]], [place, place], color=colour, lw=1.2)
        axis.plot(row["value"], place, "o" if row["measure"] == "alpha" else "s", ms=4, color=colour)
    axis.set_yticks(places, [f"{row['aspect']}, {row['kind']}: {NAMES[row['measure']]}" for row in rows])
    axis.axvline(0, color=SOFT, lw=0.6)
    axis.set(title="Agreement between raters", xlabel="Agreement (95 % interval)")
    axis.set_xlim(right=1.02)


def _raters(axis: Axes, raters: pd.DataFrame) -> None:
    places = np.arange(len(raters))[::-1].astype(float)
    axis.barh(places + 0.17, raters["severity"].fillna(0), 0.3, color=SYNTHETIC[2], label="severity")
    axis.barh(places - 0.17, raters["drift"].fillna(0), 0.3, color=ALERT, label="drift")
    axis.set_yticks(places, raters["rater"])
    axis.axvline(0, color=INK, lw=0.6)
    axis.set(title="Raters", xlabel="Points (severity: positive = stricter)")
    axis.legend(loc="best")
