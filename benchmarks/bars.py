"""The progress bars in the log of a job: what a run took for its rounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.planning.jobs import Job
from scripts.lib.planning.records import BENCHMARKS

LOGS = "results/logs"
STATE = re.compile(
    r"([\w ]*?):? *\d+%\|[^|]*\| (\d+)/(\d+) \[(?:(\d+):)?(\d+):(\d+)<[^,\]]*(?:, *([\d.]+)(it/s|s/it))?"
)


@dataclass(frozen=True)
class Bar:
    """The last state of a progress bar: rounds that this process did, their seconds, and whether it began at zero."""

    title: str
    rounds: int
    seconds: float
    whole: bool = True


def log_of(job: Job) -> str:
    """Return the log beside a job's benchmark file."""
    return (job.benchmark or "").replace(BENCHMARKS, LOGS).replace(".tsv", ".log")


def bars(log: Path) -> list[Bar]:
    """Return the last state of every progress bar in a log, in the order in which they began.

    A bar shows whole seconds; the mean rate that ends it says more. Where both disagree, the bar did not begin at zero: the
    job went on from a checkpoint.
    """
    if not log.is_file():
        return []
    last: dict[str, tuple[int, int, float, float | None]] = {}
    order: list[tuple[str, tuple[int, int, float, float | None]]] = []
    for line in re.split(r"[\r\n]", log.read_text(errors="replace")):
        for match in STATE.finditer(line):
            title, done, total, hours, minutes, seconds, rate, form = match.groups()
            title, elapsed = title.strip(), int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
            each = None if rate is None or float(rate) == 0 else float(rate) if form == "it/s" else 1 / float(rate)
            state = (int(done), int(total), float(elapsed), each)
            before = last.get(title)
            if before and before[1] == state[1] and before[0] <= state[0] and before[2] <= state[2]:
                order[max(place for place, own in enumerate(order) if own[0] == title)] = (title, state)
            else:
                order.append((title, state))
            last[title] = state
    return [_bar(title, *state) for title, state in order]


def _bar(title: str, done: int, total: int, elapsed: float, rate: float | None) -> Bar:
    if rate is None:
        return Bar(title, done, elapsed)
    seconds = done / rate
    if abs(seconds - elapsed) <= 1.5 + 0.01 * elapsed:  # whole seconds, and three digits of the rate
        return Bar(title, done, seconds)
    return Bar(title, min(done, round(rate * elapsed)), elapsed, whole=False)
