"""Plan against run as bars: seconds of every stage, planned and measured, on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.plotting.style import MM, SYNTHETIC, journal_style, plt


def draw_cost(rows: Sequence[Mapping[str, Any]], title: str) -> Any:
    """Return the figure; stages without a plan have one bar."""
    with journal_style():
        figure, axes = plt.subplots(figsize=(120 * MM, (18 + 8 * len(rows)) * MM), layout="constrained")
        places = range(len(rows))
        for shift, key, colour in ((-0.2, "planned_seconds", SYNTHETIC[1]), (0.2, "measured_seconds", SYNTHETIC[3])):
            values = [max(row[key] or 0, 0) for row in rows]
            axes.barh([place + shift for place in places], values, 0.36, color=colour, label=key.split("_")[0])
        axes.set_yticks(list(places), [row["stage"].replace("_", " ") for row in rows])
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlabel("seconds of all jobs")
        axes.set_title(title, loc="left")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        return figure
