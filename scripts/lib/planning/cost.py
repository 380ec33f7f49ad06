"""Plan against run, stage by stage: planned and measured seconds by the clock, and what is missing on either side."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.lib.core.atomic import atomic_file
from scripts.lib.planning.estimate import Plan
from scripts.lib.planning.pricing import MEASURED, least_known
from scripts.lib.planning.records import BENCHMARKS, Measured, measured_of, read_benchmark

COLUMNS = (
    "stage",
    "jobs_planned",
    "jobs_measured",
    "jobs_compared",
    "planned_wall_seconds",
    "measured_wall_seconds",
    "measured_over_planned",
    "planned_by",
    "cpu_seconds_at_least",
    "peak_rss_mb",
    "note",
)
TOTAL = "total"
UNSEEN = 30  # seconds of a job's end that its processor seconds may lack (records.Measured)
LONG = 60  # seconds from which a job says how busy its machine was
BUSY = 0.6  # share of their processors' time below which jobs must have waited for other work


@dataclass
class _Row:
    """One stage: seconds by the clock of all jobs (`planned`, `measured`), and of those that have both (`both_...`)."""

    jobs: int = 0
    found: int = 0
    compared: int = 0
    planned: float = 0.0
    measured: float = 0.0
    both_planned: float = 0.0
    both_measured: float = 0.0
    priced: int = 0
    cpu: float = 0.0
    rss_mb: float | None = None
    by: str = MEASURED
    recorded: bool = False
    stray: list[Path] = field(default_factory=list)


def cost_rows(plan: Plan, root: Path) -> list[dict[str, Any]]:
    """Return one row a stage (COLUMNS) in the order of the workflow, and one of totals.

    Planned and measured seconds are those of the jobs that have both; of a stage that has none, what there is of one. A
    stage is left out only if it has neither. `root` is the run's working directory. Benchmark files of no planned job have a
    row of their own.
    """
    rows: dict[str, _Row] = {}
    had = asked = 0.0
    for job, price in zip(plan.jobs, plan.prices):
        if not job.outputs:
            continue
        row = rows.setdefault(job.rule, _Row())
        row.jobs += 1
        measured = measured_of(job, root)
        row.recorded |= measured is not None and job.benchmark is None
        if price.seconds is not None:
            row.priced += 1
            row.planned += price.seconds
            row.by = least_known([row.by, price.source])
        if measured is None:
            continue
        _add(row, measured)
        if measured.seconds >= LONG and not math.isnan(measured.cpu_seconds):
            asked += measured.seconds * job.threads
            had += min(measured.seconds, measured.cpu_seconds / job.threads + UNSEEN) * job.threads
        if price.seconds is not None:
            row.compared += 1
            row.both_planned += price.seconds
            row.both_measured += measured.seconds
    for path in _unplanned(plan, root):
        stage = f"{path.parent.name} (not planned)"
        row = rows.setdefault(stage, _Row())
        row.stray.append(path)
        measured = read_benchmark(path)
        if measured is not None:
            _add(row, measured)
    done = [_finished(stage, row) for stage, row in rows.items()]
    return [*done, _total(done, list(rows.values()), had / asked if asked else 1.0)]


def _add(row: _Row, measured: Measured) -> None:
    row.found += 1
    row.measured += measured.seconds
    row.cpu += 0.0 if math.isnan(measured.cpu_seconds) else measured.cpu_seconds
    if not math.isnan(measured.rss_mb):
        row.rss_mb = max(row.rss_mb or 0.0, measured.rss_mb)


def _unplanned(plan: Plan, root: Path) -> list[Path]:
    """Return the benchmark files of no planned job: of another configuration, or of targets that were not asked for."""
    planned = {root / job.benchmark for job in plan.jobs if job.benchmark}
    return [path for path in sorted((root / BENCHMARKS).glob("*/*.tsv")) if path not in planned]


def _finished(stage: str, row: _Row) -> dict[str, Any]:
    planned = row.both_planned if row.compared else row.planned if row.priced else None
    measured = row.both_measured if row.compared else row.measured if row.found else None
    return {
        "stage": stage,
        "jobs_planned": row.jobs,
        "jobs_measured": row.found,
        "jobs_compared": row.compared,
        "planned_wall_seconds": _round(planned),
        "measured_wall_seconds": _round(measured),
        "measured_over_planned": _ratio(measured, planned) if row.compared else None,
        "planned_by": row.by if row.priced else None,
        "cpu_seconds_at_least": _round(row.cpu) if row.cpu else None,
        "peak_rss_mb": _round(row.rss_mb),
        "note": "; ".join(_notes(row)),
    }


def _notes(row: _Row) -> list[str]:
    if row.stray:
        return [f"measured, not planned: benchmark files of no job of this study, e.g. {row.stray[0].name}"]
    notes = []
    if not row.found:
        notes.append("planned, not measured: not made in this run")
    elif row.found < row.jobs:
        notes.append(f"{row.jobs - row.found} of {row.jobs} jobs were not made in this run")
    if not row.priced:
        notes.append("measured, but the class has no rate")
    elif row.found > row.compared:
        notes.append(f"{row.found - row.compared} measured jobs have no rate")
    if row.recorded:
        notes.append("seconds of Snakemake's record of the job")
    return notes


def _total(rows: Sequence[Mapping[str, Any]], parts: Sequence[_Row], share: float) -> dict[str, Any]:
    """Return the sums, of the compared jobs alone where both sides are summed; `share` of their processors that jobs had."""
    planned, measured = (sum(getattr(part, key) for part in parts) for key in ("both_planned", "both_measured"))
    sums = {key: sum(row[key] or 0 for row in rows) for key in ("jobs_planned", "jobs_measured", "jobs_compared")}
    peaks = [row["peak_rss_mb"] for row in rows if row["peak_rss_mb"]]
    return dict.fromkeys(COLUMNS) | {
        "stage": TOTAL,
        **sums,
        "planned_wall_seconds": _round(planned),
        "measured_wall_seconds": _round(measured),
        "measured_over_planned": _ratio(measured, planned),
        "cpu_seconds_at_least": _round(sum(part.cpu for part in parts)),
        "peak_rss_mb": max(peaks, default=None),
        "note": "sums of the compared jobs"
        + (
            f"; long jobs had at most {share:.0%} of their processors: other work ran beside them"
            if share < BUSY
            else ""
        ),
    }


def _ratio(measured: float | None, planned: float | None) -> float | None:
    return round(measured / planned, 3) if planned and measured is not None else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def write_cost(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows as CSV."""
    with atomic_file(path) as part, part.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
