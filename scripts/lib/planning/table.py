"""A plan, and a plan beside its run, as readable tables, and what a plan says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.planning.estimate import Plan, PlanLine, wall_hours
from scripts.lib.planning.pricing import MEANING, MEASURED, NONE, ORDER
from scripts.lib.planning.sizes import Size

HEAD = ("stage", "arm", "jobs", "images", "steps", "hours", "at a share", "source", "disk GB", "memory MB", "GPU GB")
LEFT = (0, 1, 7)  # columns of words
NOTES = (
    "hours: by the clock, added up over jobs; trainings at full length, which early stopping may end sooner",
    "disk: films, pools, weights and their largest checkpoint; not figures and logs, nor checkpoints of trials",
    "memory: largest measured, of the processor; GPU: at least, weights, gradients and optimizer without activations",
)
COST_HEAD = ("stage", "jobs", "planned s", "measured s", "ratio", "planned by")
Shares = tuple[float, float] | None  # (low, high) of a GPU's peak, for the hours that come from the peak


def table(plan: Plan, shares: Shares = None) -> str:
    """Return the lines as columns of text, with a line of totals, and what the columns hold."""
    total = _cells(plan.total, shares)
    rows = [HEAD, *(_cells(line, shares) for line in plan.lines), (*total[:7], "", *total[8:])]
    return _laid_out(rows, LEFT) + "\n\n" + "\n".join(NOTES)


def cost_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return plan against run as columns of text; the last row is that of totals."""
    shown = []
    for row in rows:
        sides = [row[f"{side}_wall_seconds"] for side in ("planned", "measured")]
        ratio = row["measured_over_planned"]
        cells = [number(side) if side is not None else "n/a" for side in sides]
        jobs = f"{row['jobs_compared']} of {row['jobs_planned']}"
        shown.append((row["stage"], jobs, *cells, "n/a" if ratio is None else f"{ratio:.2f}", row["planned_by"] or ""))
    return _laid_out([COST_HEAD, *shown], (0, 5))


def _laid_out(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Return rows as text, columns `left` flush left, with rules below the first and above the last."""
    used = [column for column in range(len(rows[0])) if any(row[column] for row in rows[1:])]
    widths = {column: max(len(row[column]) for row in rows) for column in used}
    shown = []
    for row in rows:
        cells = (row[p].ljust(widths[p]) if p in left else row[p].rjust(widths[p]) for p in used)
        shown.append("  ".join(cells).rstrip())
    rule = "-" * max(map(len, shown))
    return "\n".join([shown[0], rule, *shown[1:-1], rule, shown[-1]])


def known_lines(plan: Plan, machine: Mapping[str, Any]) -> list[str]:
    """Return one line for each way in which hours are known: its meaning, hours and stages."""
    shown = ["how the hours are known:"]
    for source in ORDER:
        if lines := [line for line in plan.lines if line.source == source]:
            names = list(dict.fromkeys(line.stage for line in lines))
            stages = f"{len(names)} stages" if source == MEASURED else ", ".join(names)
            meaning = MEANING[source].format(borrowed=machine.get("processor_rates"))
            hours = "" if source == NONE else f", {number(sum(line.hours for line in lines))} hours"
            shown.append(f"  {source}{hours}: {meaning}: {stages}")
    return shown


def peak_lines(plan: Plan, machine: Mapping[str, Any], shares: Shares, source: str) -> list[str]:
    """Return what a plan whose GPU hours come from the published peak says in words; [] where none do."""
    gpu, least = plan.total.gpu_hours, plan.total.peak_hours
    if not least:
        return []
    shown = [
        f"GPU hours: at least {number(gpu)}, of which {number(least)} are operations over the published peak "
        f"({machine.get('peak_source', 'no source given')}): a floor that no run reaches"
    ]
    if shares:
        percent = " to ".join(f"{share:.0%}" for share in dict.fromkeys(shares))
        span = _span([gpu + least * (1 / share - 1) for share in shares], " to ")
        shown.append(
            f"GPU hours if the GPU reaches {percent} of that peak: {span}. Assumed, not measured here: {source}"
        )
    return shown


def wall_line(plan: Plan, cores: int, gpus: int, shares: Shares) -> str:
    """Return the wall time in words, with the range of `shares` where hours come from a GPU's peak."""
    devices = f" and {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else ""
    least = "at least " if plan.total.is_least else ""
    text = f"wall time with {cores} cores{devices}: {least}{number(wall_hours(plan, cores, gpus))} hours"
    if shares and plan.total.peak_hours:
        span = _span([wall_hours(plan, cores, gpus, share) for share in shares], " to ")
        text += f"; {span} hours at the assumed share{'s' if shares[0] < shares[1] else ''}"
    return text


def number(value: float) -> str:
    """Return a number with about three digits, and separators of thousands instead of exponents."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}" if value >= 0.001 else "<0.001"


def _span(hours: Sequence[float], between: str) -> str:
    """Return hours at the lower and the higher share, the fewer first, and one number where both are the same."""
    return between.join(dict.fromkeys(number(one) for one in reversed(hours)))


def _cells(line: PlanLine, shares: Shares) -> tuple[str, ...]:
    hours = f"{'>= ' if line.is_least else ''}{number(line.hours)}" if line.hours > 0 or line.source != NONE else "n/a"
    return (
        line.stage, line.arm, f"{line.jobs:,}", "n/a" if line.unknown_sizes else f"{line.images:,}", f"{line.steps:,}", hours,
        _span([line.hours_at(share) for share in shares], "..") if shares and line.peak_hours else "", line.source,
        number(line.disk_gb), f"{line.rss_mb:,.0f}" if line.rss_mb else "n/a",
        f">= {number(line.gpu_gb)}" if line.gpu_gb else "n/a",
    )  # fmt: skip


def size_lines(sizes: Mapping[str, Size]) -> list[str]:
    """Return one line a dataset: its films a side and where the numbers come from."""
    shown = []
    for name, size in sizes.items():
        sides = ", ".join(f"{split} {count:,}" for split, count in size.splits.items()) or "not known"
        shown.append(f"{name}: {sides} ({size.source})")
    return shown
