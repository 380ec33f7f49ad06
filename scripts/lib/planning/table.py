"""A plan, and a plan beside its run, as readable tables, and what a plan says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.planning.estimate import Plan, PlanLine, wall_hours
from scripts.lib.planning.pricing import MEANING, MEASURED, NONE, at_share
from scripts.lib.planning.sizes import Size

HEAD = ("stage", "arm", "jobs", "images", "steps", "hours", "at a share", "source", "disk GB", "memory MB", "GPU GB")
COST_HEAD = ("stage", "jobs", "planned s", "measured s", "ratio", "planned by")
WORDS = ("stage", "arm", "source", "planned by")  # columns that are flush left
NOTES = (
    "hours: by the clock, added up over jobs; trainings at full length, which early stopping may end sooner",
    "disk: films, pools, weights and their largest checkpoint; not figures and logs, nor checkpoints of trials",
    "memory: largest measured, of the processor; GPU: at least, weights, gradients and optimizer without activations",
)
Shares = tuple[float, float] | None  # (low, high) of a GPU's peak, for the hours that come from the peak


def table(plan: Plan, shares: Shares = None) -> str:
    """Return the lines as columns of text, with a line of totals, and what the columns hold."""
    rows = [HEAD, *(_cells(line, line.source, shares) for line in plan.lines), _cells(plan.total, "", shares)]
    return _laid_out(rows) + "\n\n" + "\n".join(NOTES)


def cost_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return plan against run as columns of text; the last row is that of totals."""
    shown = [COST_HEAD]
    for row in rows:
        sides = (row["planned_wall_seconds"], row["measured_wall_seconds"])
        planned, measured = ("n/a" if side is None else number(side) for side in sides)
        ratio = "n/a" if row["measured_over_planned"] is None else f"{row['measured_over_planned']:.2f}"
        jobs = f"{row['jobs_compared']} of {row['jobs_planned']}"
        shown.append((row["stage"], jobs, planned, measured, ratio, row["planned_by"] or ""))
    return _laid_out(shown)


def _laid_out(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text, with rules below the first and above the last; columns that hold nothing are left out."""
    columns = []
    for head, *cells in zip(*rows):
        width = max(map(len, (head, *cells)))
        if any(cells):
            columns.append([one.ljust(width) if head in WORDS else one.rjust(width) for one in (head, *cells)])
    head, *lines, total = ("  ".join(row).rstrip() for row in zip(*columns))
    rule = "-" * max(map(len, (head, *lines, total)))
    return "\n".join((head, rule, *lines, rule, total))


def known_lines(plan: Plan, machine: Mapping[str, Any]) -> list[str]:
    """Return one line for each way in which hours are known: its meaning, hours and stages."""
    shown = ["how the hours are known:"]
    for source, meaning in MEANING.items():
        if lines := [line for line in plan.lines if line.source == source]:
            names = list(dict.fromkeys(line.stage for line in lines))
            stages = f"{len(names)} stages" if source == MEASURED else ", ".join(names)
            hours = "" if source == NONE else f", {number(sum(line.hours for line in lines))} hours"
            shown.append(f"  {source}{hours}: {meaning.format(borrowed=machine.get('processor_rates'))}: {stages}")
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
        span = _span([at_share(gpu, least, share) for share in shares], " to ")
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


def _cells(line: PlanLine, source: str, shares: Shares) -> tuple[str, ...]:
    hours = f"{'>= ' if line.is_least else ''}{number(line.hours)}" if line.hours > 0 or line.source != NONE else "n/a"
    return (
        line.stage, line.arm, f"{line.jobs:,}", "n/a" if line.unknown_sizes else f"{line.images:,}", f"{line.steps:,}", hours,
        _span([at_share(line.hours, line.peak_hours, share) for share in shares], "..") if shares and line.peak_hours else "", source,
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
