"""A plan as a readable table, as CSV and as JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from scripts.lib.atomic import atomic_file
from scripts.lib.planning.estimate import FLOOR, NONE, Line, Plan
from scripts.lib.planning.sizes import Size

HEAD = ("stage", "arm", "jobs", "images", "steps", "hours", "source", "disk GB", "memory MB", "GPU GB")
LEFT = (0, 1, 6)  # columns of words
NOTES = (
    "disk: films, pools, weights of generators and their largest checkpoint; not figures, logs, nor proxy, MGCA and trials",
    "memory: largest measured, of the processor; GPU: at least, weights, gradients and optimiser without activations",
)
PARTIAL = "hours with >= leave out what has no rate (source n/a); floor: operations over the published peak"


def table(plan: Plan) -> str:
    """Return the lines as columns of text, with a line of totals, and what the columns hold."""
    lines = plan.lines
    total = Line("total", "", sum(line.jobs for line in lines), sum(line.images for line in lines))
    total.steps, total.disk_gb = sum(line.steps for line in lines), sum(line.disk_gb for line in lines)
    total.hours, total.source = sum(line.hours for line in lines), ""
    total.rss_mb = max((line.rss_mb for line in lines if line.rss_mb), default=None)
    total.gpu_gb = max((line.gpu_gb for line in lines if line.gpu_gb), default=None)
    rows = [HEAD, *map(_cells, lines), _cells(total, is_least(plan))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    shown = [_row(row, widths) for row in rows]
    rule = "-" * max(map(len, shown))
    notes = [*NOTES, PARTIAL] if is_least(plan) else NOTES
    return "\n".join([shown[0], rule, *shown[1:-1], rule, shown[-1], "", *notes])


def is_least(plan: Plan) -> bool:
    """Return whether hours are missing from the plan, or floors, so that its sums are the least."""
    return any(line.source in (FLOOR, NONE) for line in plan.lines)


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(w) if c in LEFT else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, widths)))
    return "  ".join(cells).rstrip()


def number(value: float) -> str:
    """Return a number with about three digits, and separators of thousands instead of exponents."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}" if value >= 0.001 else "<0.001"


def _cells(line: Line, least: bool | None = None) -> tuple[str, ...]:
    least = line.source in (FLOOR, NONE) if least is None else least
    hours = f"{'>= ' if least else ''}{number(line.hours)}" if line.hours > 0 or line.source != NONE else "n/a"
    return (
        line.stage, line.arm, f"{line.jobs:,}", "n/a" if line.unknown_sizes else f"{line.images:,}", f"{line.steps:,}", hours,
        line.source, number(line.disk_gb), f"{line.rss_mb:,.0f}" if line.rss_mb else "n/a",
        f">= {number(line.gpu_gb)}" if line.gpu_gb else "n/a",
    )  # fmt: skip


def size_lines(sizes: Mapping[str, Size]) -> list[str]:
    """Return one line a dataset: its films a side and where the numbers come from."""
    shown = []
    for name, size in sizes.items():
        sides = ", ".join(f"{split} {count:,}" for split, count in size.splits.items()) or "not known"
        shown.append(f"{name}: {sides} ({size.source})")
    return shown


def write_csv(path: Path, plan: Plan) -> None:
    """Write one row a stage and arm."""
    with atomic_file(path) as part, part.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Line)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(line) for line in plan.lines)


def write_json(path: Path, plan: Plan, notes: Mapping[str, Any]) -> None:
    """Write the lines, the warnings and `notes` (machine, wall time ...)."""
    content = {**notes, "lines": [asdict(line) for line in plan.lines], "warnings": plan.warnings}
    with atomic_file(path) as part:
        part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
