"""How long a run took: seconds of its jobs by the clock, from results/benchmarks/RULE/*.tsv."""

from __future__ import annotations

import csv
from pathlib import Path

from scripts.lib.reporting.page.words import count, listed

LONGEST = 3  # rules that are named
HOUR = 3600


def rule_seconds(results: Path) -> dict[str, list[float]]:
    """Return {rule: seconds of each of its jobs}, rules by name; none where a run left no benchmark."""
    measured = {
        folder.name: [time for file in sorted(folder.glob("*.tsv")) for time in _seconds(file)]
        for folder in sorted((results / "benchmarks").glob("*"))
    }
    return {rule: seconds for rule, seconds in measured.items() if seconds}


def _seconds(file: Path) -> list[float]:
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return [float(row["s"]) for row in rows if row.get("s") not in (None, "", "NA")]


def time_text(results: Path) -> str:
    """Return how many jobs a run had, their time added up, and the rules that took most of it; "" where it is not known."""
    known = rule_seconds(results)
    if not known:
        return ""
    sums = {rule: sum(seconds) for rule, seconds in known.items()}
    longest = sorted(sums, key=lambda rule: -sums[rule])[:LONGEST]
    jobs = count(sum(map(len, known.values())), "timed job")
    parts = listed([f"{rule} ({duration(sums[rule])})" for rule in longest])
    return f"{duration(sum(sums.values()))} by the clock, added over {jobs}; the longest: {parts}"


def duration(seconds: float) -> str:
    """Return 2.5 hours, 12 minutes or 8 seconds."""
    if seconds >= HOUR:
        return f"{seconds / HOUR:,.1f} hours"
    return count(round(seconds / 60), "minute") if seconds >= 60 else count(round(seconds), "second")
