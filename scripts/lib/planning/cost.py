"""Plan against run, stage by stage: planned and measured seconds by the clock, and what is missing on either side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.lib.planning.estimate import Plan
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.pricing import NONE, Price, least_known
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


class _Pair(NamedTuple):
    """A job of the plan with what it took in the run, None where it was not made; or a benchmark file of no planned job."""

    price: Price
    measured: Measured | None
    job: Job | None = None


def cost_rows(plan: Plan, root: Path) -> list[dict[str, Any]]:
    """Return one row a stage (COLUMNS) in the order of the workflow, and one of totals.

    Planned and measured seconds are those of the jobs that have both; of a stage that has none, what there is of one. A
    stage is left out only if it has neither. `root` is the run's working directory. Benchmark files of no planned job (of
    another configuration, or of targets that were not asked for) have a row of their own.
    """
    stages: dict[str, list[_Pair]] = {}
    for job, price in zip(plan.jobs, plan.prices):
        if job.outputs:
            stages.setdefault(job.rule, []).append(_Pair(price, measured_of(job, root), job))
    rows = [_row(stage, pairs) | {"note": "; ".join(_notes(pairs))} for stage, pairs in stages.items()]
    strays: dict[str, list[Path]] = {}
    for path in sorted({*(root / BENCHMARKS).glob("*/*.tsv")} - {root / (job.benchmark or "") for job in plan.jobs}):
        strays.setdefault(path.parent.name, []).append(path)
    for name, paths in strays.items():
        pairs = [_Pair(Price(None, NONE), read_benchmark(path)) for path in paths]
        note = f"measured, not planned: benchmark files of no job of this study, e.g. {paths[0].name}"
        rows.append(_row(f"{name} (not planned)", pairs) | {"note": note})
    return [*rows, _total(rows, [pair for pairs in stages.values() for pair in pairs])]


def _row(stage: str, pairs: Sequence[_Pair]) -> dict[str, Any]:
    priced = [pair for pair in pairs if pair.price.seconds is not None]
    made, both = _measured(pairs), _measured(priced)
    planned = [pair.price.seconds or 0.0 for pair in priced if pair.measured or not both]
    seconds = [one.seconds for one in both or made]
    cpu = sum(one.cpu_seconds for one in made if not math.isnan(one.cpu_seconds))
    return {
        "stage": stage,
        "jobs_planned": sum(pair.job is not None for pair in pairs),
        "jobs_measured": len(made),
        "jobs_compared": len(both),
        "planned_wall_seconds": round(sum(planned), 2) if planned else None,
        "measured_wall_seconds": round(sum(seconds), 2) if seconds else None,
        "measured_over_planned": _ratio(seconds, planned) if both else None,
        "planned_by": least_known([pair.price.source for pair in priced]) if priced else None,
        "cpu_seconds_at_least": round(cpu, 2) if cpu else None,
        "peak_rss_mb": max((round(one.rss_mb, 2) for one in made if not math.isnan(one.rss_mb)), default=None),
    }


def _measured(pairs: Sequence[_Pair]) -> list[Measured]:
    return [pair.measured for pair in pairs if pair.measured is not None]


def _ratio(measured: Sequence[float], planned: Sequence[float]) -> float | None:
    return round(sum(measured) / sum(planned), 3) if sum(planned) else None


def _notes(pairs: Sequence[_Pair]) -> list[str]:
    """Return what is to be known of a planned stage."""
    made = [pair for pair in pairs if pair.measured]
    unpriced = sum(pair.price.seconds is None for pair in made)
    notes = []
    if not made:
        notes.append("planned, not measured: not made in this run")
    elif len(made) < len(pairs):
        notes.append(f"{len(pairs) - len(made)} of {len(pairs)} jobs were not made in this run")
    if all(pair.price.seconds is None for pair in pairs):
        notes.append("measured, but the class has no rate")
    elif unpriced:
        notes.append(f"{unpriced} measured jobs have no rate")
    if any(pair.job and pair.job.benchmark is None for pair in made):
        notes.append("seconds of Snakemake's record of the job")
    return notes


def _total(rows: Sequence[Mapping[str, Any]], pairs: Sequence[_Pair]) -> dict[str, Any]:
    """Return the sums, of the compared jobs alone where both sides are summed, and whether other work ran beside them."""
    both = [pair for pair in pairs if pair.price.seconds is not None and pair.measured]
    had = asked = 0.0  # seconds of processors that long jobs had, and that they asked for
    for _, took, job in pairs:
        if job and took and took.seconds >= LONG and not math.isnan(took.cpu_seconds):
            asked += took.seconds * job.threads
            had += min(took.seconds, took.cpu_seconds / job.threads + UNSEEN) * job.threads
    note = "sums of the compared jobs"
    if asked and had / asked < BUSY:
        note += f"; long jobs had at most {had / asked:.0%} of their processors: other work ran beside them"
    sums = ("jobs_planned", "jobs_measured", "jobs_compared", "cpu_seconds_at_least")
    planned, measured = [pair.price.seconds or 0.0 for pair in both], [one.seconds for one in _measured(both)]
    return {
        **dict.fromkeys(COLUMNS),
        "stage": TOTAL,
        **{key: round(sum(row[key] or 0 for row in rows), 2) for key in sums},
        "planned_wall_seconds": round(sum(planned), 2),
        "measured_wall_seconds": round(sum(measured), 2),
        "measured_over_planned": _ratio(measured, planned),
        "peak_rss_mb": max((row["peak_rss_mb"] for row in rows if row["peak_rss_mb"]), default=None),
        "note": note,
    }
