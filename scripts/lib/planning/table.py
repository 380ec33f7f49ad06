"""A plan as a readable table, as CSV and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.csv_files import write_csv
from scripts.lib.planning.estimate import Plan, PlanLine, larger, wall_hours
from scripts.lib.planning.pricing import FLOOR, MEANING, MEASURED, NONE, ORDER
from scripts.lib.planning.sizes import Size

HEAD = ("stage", "arm", "jobs", "images", "steps", "hours", "at a share", "source", "disk GB", "memory MB", "GPU GB")
LEFT = (0, 1, 7)  # columns of words
NOTES = (
    "hours: by the clock, added up over jobs; trainings at full length, which early stopping may end sooner",
    "disk: films, pools, weights and their largest checkpoint; not figures and logs, nor checkpoints of trials",
    "memory: largest measured, of the processor; GPU: at least, weights, gradients and optimizer without activations",
)
COST_HEAD = ("stage", "jobs", "planned s", "measured s", "ratio", "planned by")


def table(plan: Plan, shares: tuple[float, float] | None = None) -> str:
    """Return the lines as columns of text, with a line of totals, and what the columns hold.

    `shares` (low, high) of a GPU's peak: hours that come from the peak are shown for them as well.
    """
    lines = plan.lines
    total = PlanLine("total", "", source="")
    for line in lines:
        for name in ("jobs", "images", "steps", "hours", "peak_hours", "disk_gb"):
            setattr(total, name, getattr(total, name) + getattr(line, name))
        total.rss_mb, total.gpu_gb = larger(total.rss_mb, line.rss_mb), larger(total.gpu_gb, line.gpu_gb)
    rows = [HEAD, *(_cells(line, shares) for line in lines), _cells(total, shares, is_least(plan))]
    return _laid_out(rows, LEFT) + "\n\n" + "\n".join(NOTES)


def cost_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return plan against run as columns of text; the last row is that of totals."""
    shown = []
    for row in rows:
        sides = [row[f"{side}_wall_seconds"] for side in ("planned", "measured")]
        ratio = row["measured_over_planned"]
        jobs = f"{row['jobs_compared']} of {row['jobs_planned']}"
        cells = [number(side) if side is not None else "n/a" for side in sides]
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
        lines = [line for line in plan.lines if line.source == source]
        if lines:
            names = list(dict.fromkeys(line.stage for line in lines))
            stages = f"{len(names)} stages" if source == MEASURED else ", ".join(names)
            meaning = MEANING[source].format(borrowed=machine.get("processor_rates"))
            hours = "" if source == NONE else f", {number(sum(line.hours for line in lines))} hours"
            shown.append(f"  {source}{hours}: {meaning}: {stages}")
    return shown


def peak_lines(plan: Plan, machine: Mapping[str, Any], shares: tuple[float, float] | None, source: str) -> list[str]:
    """Return what a plan whose GPU hours come from the published peak says in words; [] where none do."""
    least = sum(line.peak_hours for line in plan.lines)
    if not least:
        return []
    gpu = sum(line.gpu_hours for line in plan.lines)
    shown = [
        f"GPU hours: at least {number(gpu)}, of which {number(least)} are operations over the published peak "
        f"({machine.get('peak_source', 'no source given')}): a floor that no run reaches"
    ]
    if shares:
        low, high = (gpu + least * (1 / share - 1) for share in (shares[1], shares[0]))
        percent = " to ".join(f"{share:.0%}" for share in dict.fromkeys(shares))
        span = number(low) if low == high else f"{number(low)} to {number(high)}"
        shown.append(
            f"GPU hours if the GPU reaches {percent} of that peak: {span}. Assumed, not measured here: {source}"
        )
    return shown


def wall_line(plan: Plan, cores: int, gpus: int, shares: tuple[float, float] | None) -> str:
    """Return the wall time in words, with the range of `shares` where hours come from a GPU's peak."""
    devices = f" and {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else ""
    least = "at least " if is_least(plan) else ""
    text = f"wall time with {cores} cores{devices}: {least}{number(wall_hours(plan, cores, gpus))} hours"
    if shares and any(line.peak_hours for line in plan.lines):
        spans = [number(wall_hours(plan, cores, gpus, share)) for share in dict.fromkeys(reversed(shares))]
        text += f"; {' to '.join(spans)} hours at the assumed share{'s' if len(spans) > 1 else ''}"
    return text


def is_least(plan: Plan) -> bool:
    """Return whether hours are missing from the plan, or floors, so that its sums are the least."""
    return any(line.source in (FLOOR, NONE) for line in plan.lines)


def number(value: float) -> str:
    """Return a number with about three digits, and separators of thousands instead of exponents."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}" if value >= 0.001 else "<0.001"


def _cells(line: PlanLine, shares: tuple[float, float] | None, least: bool | None = None) -> tuple[str, ...]:
    least = line.source in (FLOOR, NONE) if least is None else least
    hours = f"{'>= ' if least else ''}{number(line.hours)}" if line.hours > 0 or line.source != NONE else "n/a"
    span = ""
    if shares and line.peak_hours:
        span = "..".join(number(line.hours_at(share)) for share in dict.fromkeys(reversed(shares)))
    return (
        line.stage, line.arm, f"{line.jobs:,}", "n/a" if line.unknown_sizes else f"{line.images:,}", f"{line.steps:,}", hours,
        span, line.source, number(line.disk_gb), f"{line.rss_mb:,.0f}" if line.rss_mb else "n/a",
        f">= {number(line.gpu_gb)}" if line.gpu_gb else "n/a",
    )  # fmt: skip


def size_lines(sizes: Mapping[str, Size]) -> list[str]:
    """Return one line a dataset: its films a side and where the numbers come from."""
    shown = []
    for name, size in sizes.items():
        sides = ", ".join(f"{split} {count:,}" for split, count in size.splits.items()) or "not known"
        shown.append(f"{name}: {sides} ({size.source})")
    return shown


def write_plan(path: Path, plan: Plan) -> None:
    """Write one row a stage and arm."""
    write_csv(path, map(asdict, plan.lines), [field.name for field in fields(PlanLine)])


def write_json(path: Path, plan: Plan, notes: Mapping[str, Any]) -> None:
    """Write the lines, the warnings and `notes` (machine, wall time ...)."""
    content = {**notes, "lines": [asdict(line) for line in plan.lines], "warnings": plan.warnings}
    with atomic_file(path) as part:
        part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
