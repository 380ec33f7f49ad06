"""What readers said of synthetic images beside real films: shares with intervals, of all readers and of each.

A large mark is all readers together, a small one a reader. Full marks are synthetic images, empty ones real films. The grey line is
the share that AURAD reports of synthetic images (arXiv 2509.04819); of real films it reports none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts.lib.feedback.forms.questions import YES
from scripts.lib.plotting.panels import NARROW, without_panels
from scripts.lib.plotting.style import GRID, INK, MM, SOFT, SYNTHETIC, journal_style

HEIGHT = 62.0  # mm
ALL = "all"
REPORTED = {"authentic": (0.78, "78 %"), "overlay": (0.40, "> 40 %")}
WORDS = {"authentic": "authentic", "overlay": "outline useful"}
KINDS = (("", "synthetic images", SYNTHETIC[3]), ("_real", "real films", "white"))
NEAR, APART = 0.17, 0.045  # places beside the middle of a question: of a kind, and of a reader


def draw_reading(shares: pd.DataFrame, agreement: pd.DataFrame, settings: Mapping[str, Any]) -> Figure:
    """Return the figure of tables of tabulate_answers; `settings`: width_mm. Without an answer it says so."""
    if not shares["share"].notna().any():
        return without_panels(settings["width_mm"], "Nobody has read these films.")
    with journal_style():
        figure, axis = plt.subplots(figsize=(settings["width_mm"] * MM * NARROW, HEIGHT * MM), layout="constrained")
        draw_shares(axis, shares)
        shared = agreement[(agreement["measure"] == "auc") & (agreement["rater"] == ALL) & agreement["value"].notna()]
        if len(shared):
            value, low, high = (float(shared[name].iloc[0]) for name in ("value", "low", "high"))
            who = (
                "Simulated readers" if shares["note"].fillna("").str.contains("simulated answers").any() else "Readers"
            )
            axis.set_xlabel(
                f"{who} tell real films from images:\nAUC {value:.2f} ({low:.2f} to {high:.2f}); 0.5 = not at all"
            )
    return figure


def draw_shares(axis: Axes, shares: pd.DataFrame) -> None:
    """Draw the shares of yes of each question into an axis: a part of Figure 5, too."""
    questions = list(dict.fromkeys(shares["question"][shares["answer"] == YES]))
    for place, question in enumerate(questions):
        rows = shares[(shares["question"] == question) & (shares["answer"] == YES)]
        readers = [name for name in rows["rater"] if name != ALL]
        for number, (end, name, colour) in enumerate(KINDS):
            middle = place + (2 * number - 1) * NEAR
            for row in rows.to_dict("records"):
                share = row[f"share{end}"]
                if pd.isna(share):
                    continue
                whole = row["rater"] == ALL
                spot = (
                    middle if whole else middle + (readers.index(row["rater"]) - (len(readers) - 1) / 2) * APART + 0.1
                )
                reach = [[share - row[f"low{end}"]], [row[f"high{end}"] - share]]
                label = name if whole and not place else None
                axis.errorbar(
                    spot, share, yerr=reach, fmt="o", markersize=6 if whole else 2.5, color=INK if whole else SOFT,
                    markerfacecolor=colour, markeredgewidth=0.8, elinewidth=1.0 if whole else 0.5, label=label, zorder=3 if whole else 2,
                )  # fmt: skip
        if question in REPORTED:
            value, text = REPORTED[question]
            axis.hlines(value, place - 0.42, place + 0.42, color=SOFT, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
            axis.text(place + 0.43, value, f"AURAD\n{text}", color=SOFT, va="center", fontsize=6)
    axis.set_xticks(range(len(questions)), [WORDS.get(name, name.replace("_", " ")) for name in questions])
    axis.set_xlim(-0.6, len(questions) - 0.25)
    axis.set_ylim(-0.03, 1.03)
    axis.set_ylabel("Share of yes, 95 % interval")
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
