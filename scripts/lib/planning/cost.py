"""Plan against run, stage by stage: planned and measured seconds by the clock, and what is missing on either side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.lib.planning.estimate import Plan
from scripts.lib.planning.pricing import NONE, least_known
from scripts.lib.planning.records import BENCHMARKS, Measured, measured_of, read_benchmark

JOBS = ("jobs_planned", "jobs_measured", "jobs_compared")
SIDES = ("planned_wall_seconds", "measured_wall_seconds", "measured_over_planned", "planned_by")
COLUMNS = ("stage", *JOBS, *SIDES, "cpu_seconds_at_least", "peak_rss_mb", "note")
# A job of the plan (None: a benchmark file of none), the seconds of its price and their source, and what it took.
PAIR = ["stage", "job", "planned", "source", "seconds", "cpu_seconds", "rss_mb"]
TOTAL = "total"
UNSEEN = 30  # seconds of a job's end that its processor seconds may lack (records.Measured)
LONG = 60  # seconds from which a job says how busy its machine was
BUSY = 0.6  # share of their processors' time below which jobs must have waited for other work


def cost_rows(plan: Plan, root: Path) -> list[dict[str, Any]]:
    """Return one row a stage (COLUMNS) in the order of the workflow, and one of totals.

    Planned and measured seconds are those of the jobs that have both; of a stage that has none, what there is of one. A
    stage is left out only if it has neither. `root` is the run's working directory. Benchmark files of no planned job (of
    another configuration, or of targets that were not asked for) have a row of their own.
    """
    nothing = Measured(math.nan)
    pairs = [
        (job.rule, job, price.seconds, price.source, *astuple(measured_of(job, root) or nothing))
        for job, price in zip(plan.jobs, plan.prices)
        if job.outputs
    ]
    for path in sorted({*(root / BENCHMARKS).glob("*/*.tsv")} - {root / (job.benchmark or "") for job in plan.jobs}):
        stage = f"{path.parent.name} (not planned)"
        pairs.append((stage, None, None, NONE, *astuple(read_benchmark(path) or nothing)))
    every = pd.DataFrame(pairs, columns=PAIR).astype({"planned": float})
    rows = [
        _row(str(stage), own) | {"note": "; ".join(_notes(own))} for stage, own in every.groupby("stage", sort=False)
    ]
    note = "; ".join(["sums of the compared jobs", *_busy(every)])
    return [*rows, _row(TOTAL, every) | {"planned_by": None, "note": note}]


def _row(stage: str, pairs: pd.DataFrame) -> dict[str, Any]:
    both = pairs.dropna(subset=["planned", "seconds"])
    planned, measured = (both if len(both) else pairs)[["planned", "seconds"]].sum(min_count=1)
    sources = [source for source in pairs["source"] if source != NONE]
    return {
        "stage": stage,
        "jobs_planned": int(pairs["job"].count()),
        "jobs_measured": int(pairs["seconds"].count()),
        "jobs_compared": len(both),
        "planned_wall_seconds": _rounded(planned),
        "measured_wall_seconds": _rounded(measured),
        "measured_over_planned": _rounded(measured / planned, 3) if len(both) and planned else None,
        "planned_by": least_known(sources) if sources else None,
        "cpu_seconds_at_least": _rounded(pairs["cpu_seconds"].sum()) or None,
        "peak_rss_mb": _rounded(pairs["rss_mb"].max()),
    }


def _rounded(value: float, digits: int = 2) -> float | None:
    return None if math.isnan(value) else round(float(value), digits)


def _notes(pairs: pd.DataFrame) -> Iterator[str]:
    """Yield what is to be known of a stage."""
    made, priced = pairs[pairs["seconds"].notna()], pairs["planned"].notna()
    if not pairs["job"].count():
        yield "measured, not planned: benchmark files of no job of this study"
        return
    if made.empty:
        yield "planned, not measured: not made in this run"
    elif len(made) < len(pairs):
        yield f"{len(pairs) - len(made)} of {len(pairs)} jobs were not made in this run"
    if not priced.any():
        yield "measured, but the class has no rate"
    elif unpriced := made["planned"].isna().sum():
        yield f"{unpriced} measured jobs have no rate"
    if any(job.benchmark is None for job in made["job"]):
        yield "seconds of Snakemake's record of the job"


def _busy(pairs: pd.DataFrame) -> Iterator[str]:
    """Yield that other work ran beside the run, where its long jobs cannot have had their processors."""
    long = pairs[pairs["seconds"] >= LONG].dropna(subset=["job", "cpu_seconds"])
    threads = long["job"].map(lambda job: job.threads)
    asked = (long["seconds"] * threads).sum()  # seconds of processors that they asked for, and that they had
    had = (long["seconds"].clip(upper=long["cpu_seconds"] / threads + UNSEEN) * threads).sum()
    if asked and had / asked < BUSY:
        yield f"long jobs had at most {had / asked:.0%} of their processors: other work ran beside them"
