"""A plan as a readable table, as CSV and as JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from scripts.lib.atomic import atomic_file
from scripts.lib.planning.estimate import FLOOR, MEASURED, Line, Plan
from scripts.lib.planning.sizes import Size

HEAD = ("stage", "arm", "jobs", "images", "steps", "hours", "source", "disk GB", "memory MB")


def table(plan: Plan) -> str:
    """Return the lines as columns of text, with a line of totals."""
    rows = [_cells(line) for line in plan.lines]
    lines = plan.lines
    sources = {line.source for line in lines}
    total = Line("total", "", sum(line.jobs for line in lines), sum(line.images for line in lines))
    total.steps, total.disk_gb = sum(line.steps for line in lines), sum(line.disk_gb for line in lines)
    total.hours = sum(line.hours for line in lines)
    total.source = MEASURED if sources == {MEASURED} else FLOOR
    total.rss_mb = max((line.rss_mb for line in lines if line.rss_mb), default=None)
    rows = [HEAD, *rows, _cells(total)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if c in (0, 1, 6) else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    )


def _cells(line: Line) -> tuple[str, ...]:
    known = line.hours > 0
    hours = (f">= {line.hours:.3g}" if line.source != MEASURED else f"{line.hours:.3g}") if known else "n/a"
    return (
        line.stage, line.arm, f"{line.jobs:,}", "n/a" if line.unknown_sizes else f"{line.images:,}", f"{line.steps:,}", hours,
        line.source, f"{line.disk_gb:.3g}", f"{line.rss_mb:.0f}" if line.rss_mb else "n/a",
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
