"""Plan against run: planned and measured seconds of every stage, from the benchmark files that the run left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.planning.estimate import Plan
from scripts.lib.planning.measuring import read_benchmark

COLUMNS = (
    "stage",
    "jobs",
    "compared",
    "missing",
    "planned_seconds",
    "measured_seconds",
    "cpu_seconds",
    "peak_rss_mb",
    "ratio",
)


def cost_rows(plan: Plan, root: Path) -> list[dict[str, Any]]:
    """Return one row a stage that has benchmark files (COLUMNS); `ratio` = measured / planned of the jobs with both.

    A job without a benchmark file (made in an earlier run, or elsewhere) is counted under `missing` and left out of the sums.
    """
    rows: dict[str, dict[str, Any]] = {}
    for job, price in zip(plan.jobs, plan.prices):
        if job.benchmark is None:
            continue
        row = rows.setdefault(job.rule, dict.fromkeys(COLUMNS, 0) | {"stage": job.rule, "peak_rss_mb": None})
        row["jobs"] += 1
        measured = read_benchmark(root / job.benchmark)
        if measured is None:
            row["missing"] += 1
            continue
        row["measured_seconds"] += measured["s"]
        row["cpu_seconds"] += 0 if measured["cpu_time"] != measured["cpu_time"] else measured["cpu_time"]
        if measured["max_rss"] == measured["max_rss"]:
            row["peak_rss_mb"] = max(row["peak_rss_mb"] or 0.0, measured["max_rss"])
        if price.seconds is not None:
            row["compared"] += 1
            row["planned_seconds"] += price.seconds
            row["_both"] = row.get("_both", 0) + measured["s"]
    return [_finished(row) for row in rows.values()]


def _finished(row: Mapping[str, Any]) -> dict[str, Any]:
    done = {key: row[key] for key in COLUMNS}
    done["ratio"] = round(row["_both"] / row["planned_seconds"], 4) if row["planned_seconds"] else None
    if not row["compared"]:
        done["planned_seconds"] = None
    return {
        key: round(value, 2) if isinstance(value, float) and key != "ratio" else value for key, value in done.items()
    }
