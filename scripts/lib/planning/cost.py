"""Plan against run, stage by stage: planned and measured seconds by the clock, and what is missing on either side."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.lib.planning.estimate import Plan
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.pricing import NONE, Price, least_known
from scripts.lib.planning.records import BENCHMARKS, Measured, measured_of, read_benchmark

SIDES = ("planned_wall_seconds", "measured_wall_seconds", "measured_over_planned", "planned_by")
COLUMNS = (
    "stage",
    "jobs_planned",
    "jobs_measured",
    "jobs_compared",
    *SIDES,
    "cpu_seconds_at_least",
    "peak_rss_mb",
    "note",
)
TOTAL = "total"
UNSEEN = 30  # seconds of a job's end that its processor seconds may lack (records.Measured)
LONG = 60  # seconds from which a job says how busy its machine was
BUSY = 0.6  # share of their processors' time below which jobs must have waited for other work


class Pair(NamedTuple):
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
    stages: dict[str, list[Pair]] = defaultdict(list)
    for job, price in zip(plan.jobs, plan.prices):
        if job.outputs:
            stages[job.rule].append(Pair(price, measured_of(job, root), job))
    for path in sorted({*(root / BENCHMARKS).glob("*/*.tsv")} - {root / (job.benchmark or "") for job in plan.jobs}):
        stages[f"{path.parent.name} (not planned)"].append(Pair(Price(None, NONE), read_benchmark(path)))
    rows = [_row(stage, pairs) | {"note": "; ".join(_notes(pairs))} for stage, pairs in stages.items()]
    every = [pair for pairs in stages.values() for pair in pairs]
    note = "; ".join(["sums of the compared jobs", *_busy(every)])
    return [*rows, _row(TOTAL, every) | {"planned_by": None, "note": note}]


def _row(stage: str, pairs: Sequence[Pair]) -> dict[str, Any]:
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
        "measured_over_planned": round(sum(seconds) / sum(planned), 3) if both and sum(planned) else None,
        "planned_by": least_known([pair.price.source for pair in priced]) if priced else None,
        "cpu_seconds_at_least": round(cpu, 2) if cpu else None,
        "peak_rss_mb": max((round(one.rss_mb, 2) for one in made if not math.isnan(one.rss_mb)), default=None),
    }


def _measured(pairs: Sequence[Pair]) -> list[Measured]:
    return [pair.measured for pair in pairs if pair.measured is not None]


def _notes(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield what is to be known of a stage."""
    made = [pair for pair in pairs if pair.measured]
    unpriced = sum(pair.price.seconds is None for pair in made)
    if pairs[0].job is None:
        yield "measured, not planned: benchmark files of no job of this study"
        return
    if not made:
        yield "planned, not measured: not made in this run"
    elif len(made) < len(pairs):
        yield f"{len(pairs) - len(made)} of {len(pairs)} jobs were not made in this run"
    if all(pair.price.seconds is None for pair in pairs):
        yield "measured, but the class has no rate"
    elif unpriced:
        yield f"{unpriced} measured jobs have no rate"
    if any(pair.job and pair.job.benchmark is None for pair in made):
        yield "seconds of Snakemake's record of the job"


def _busy(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield that other work ran beside the run, where its long jobs cannot have had their processors."""
    had = asked = 0.0  # seconds of processors that they had, and that they asked for
    for _, took, job in pairs:
        if job and took and took.seconds >= LONG and not math.isnan(took.cpu_seconds):
            asked += took.seconds * job.threads
            had += min(took.seconds, took.cpu_seconds / job.threads + UNSEEN) * job.threads
    if asked and had / asked < BUSY:
        yield f"long jobs had at most {had / asked:.0%} of their processors: other work ran beside them"
