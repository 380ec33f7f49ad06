"""Plan against run as bars: seconds of every stage by the clock, planned and measured, on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.plotting.style import ALERT, GRID, INK, MM, SOFT, SYNTHETIC, journal_style, plt

PLANNED, MEASURED = SYNTHETIC[1], SYNTHETIC[3]
FAR = 1.5  # times: a stage further off than this in either direction is marked
SHORT = 0.01  # share of the longest stage: stages below it share a row
SIDES = ("planned_wall_seconds", "measured_wall_seconds")
JOBS = ("jobs_planned", "jobs_measured", "jobs_compared")
CostRow = Mapping[str, Any]


def draw_cost(rows: Sequence[CostRow], title: str) -> Any:
    """Return the figure of cost_rows' rows (its last one holds the sums).

    Above the line the stages with both sides, the longest first, and their sum; below it those with one side alone. At the
    right the ratio. Short stages share a row.
    """
    *stages, total = rows
    limit = SHORT * max(map(_longest, stages))
    both = _merged([row for row in stages if row["measured_over_planned"] is not None], limit)
    single = _merged([row for row in stages if row["measured_over_planned"] is None], limit)
    shown = [*both, *([total] if both else []), *single]
    with journal_style():
        figure, axes = plt.subplots(figsize=(150 * MM, (22 + 6.4 * len(shown)) * MM), layout="constrained")
        for number, row in enumerate(shown):
            for shift, key, colour in zip((-0.19, 0.19), SIDES, (PLANNED, MEASURED)):
                if row[key]:
                    axes.barh(number + shift, row[key], 0.36, color=colour, zorder=2)
            _say(axes, number, row)
        axes.set_yticks(range(len(shown)), [_name(row) for row in shown])
        if single and both:
            axes.axhline(len(both) + 0.5, color=INK, linewidth=0.6)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xscale("log")
        axes.set_xlim(left=_left([row[key] for row in shown for key in SIDES if row[key]]))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        axes.grid(axis="x", color=GRID, linewidth=0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("wall seconds of all jobs of a stage, added up (logarithmic)")
        figure.suptitle(title, x=0.01, ha="left", fontsize=8.5, fontweight="bold")
        handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in (PLANNED, MEASURED)]
        axes.legend(
            handles, ["planned", "measured"], loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2
        )
        axes.text(1.02, 1.0, "measured /\nplanned", transform=axes.transAxes, va="bottom", color=SOFT)
        return figure


def _merged(rows: Sequence[CostRow], limit: float) -> list[dict[str, Any]]:
    """Return rows with the longest first, and those below `limit` seconds as one."""
    ordered = sorted((dict(row) for row in rows), key=_longest, reverse=True)
    short = [row for row in ordered if _longest(row) < limit]
    if len(short) < 2:
        return ordered
    sums = {key: sum(row[key] or 0 for row in short) for key in (*SIDES, *JOBS)}
    planned, measured = (sums[key] for key in SIDES)
    ratio = measured / planned if short[0]["measured_over_planned"] is not None else None
    kept = [row for row in ordered if _longest(row) >= limit]
    return [*kept, {**sums, "stage": f"{len(short)} short stages", "measured_over_planned": ratio}]


def _say(axes: Any, place: int, row: CostRow) -> None:
    """Write the ratio of a row beside it, or which side is missing."""
    ratio = row["measured_over_planned"]
    if ratio is not None:
        text, colour = f"{ratio:.2f}", INK if 1 / FAR <= ratio <= FAR else ALERT
    elif not row["jobs_measured"]:
        text, colour = "not made", SOFT
    else:
        text, colour = "no rate" if row["jobs_planned"] else "not planned", SOFT
    axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", color=colour)


def _name(row: CostRow) -> str:
    jobs = row["jobs_compared"] or row["jobs_measured"] or row["jobs_planned"]
    return f"{row['stage'].replace('_', ' ')} ({jobs} job{'s' if jobs != 1 else ''})"


def _longest(row: CostRow) -> float:
    return max(row[key] or 0.0 for key in SIDES)


def _left(values: Sequence[float]) -> float:
    """Return where a logarithmic axis begins: the power of ten at or below half of the smallest bar."""
    power = 1.0
    while values and power > min(values) / 2:
        power /= 10
    while values and power * 10 <= min(values) / 2:
        power *= 10
    return power
