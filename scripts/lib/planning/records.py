"""What a run left of each job: Snakemake's benchmark file, its own record of the job, and the bars in the job's log."""

from __future__ import annotations

import csv
import json
import math
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.planning.jobs import Job

BENCHMARKS, LOGS = "results/benchmarks", "results/logs"
STATE = re.compile(
    r"([\w ]*?):? *\d+%\|[^|]*\| (\d+)/(\d+) \[(?:(\d+):)?(\d+):(\d+)<[^,\]]*(?:, *([\d.]+)(it/s|s/it))?"
)


@dataclass(frozen=True)
class Measured:
    """Seconds of a job by the clock; processor seconds and resident memory (MB) where a benchmark file has them, else nan.

    Snakemake looks at a job every half second, and after 15 s every 30 s: `cpu_seconds` may lack the last 30 s.
    """

    seconds: float
    cpu_seconds: float = math.nan
    rss_mb: float = math.nan


@dataclass(frozen=True)
class Bar:
    """The last state of a progress bar: rounds that this process did, their seconds, and whether it began at zero."""

    title: str
    rounds: int
    seconds: float
    whole: bool = True


def measured_of(job: Job, root: Path) -> Measured | None:
    """Return what a job took in the run whose working directory is `root`, None where it left nothing.

    A job of a rule with `benchmark:` by that file; of others from its start to the last change of an output, as Snakemake
    records both. On a cluster that includes the time in the queue.
    """
    if job.benchmark:
        return read_benchmark(root / job.benchmark)
    spans = [_span(root, output) for output in job.outputs]
    known = [span for span in spans if span is not None]
    if not known:
        return None
    return Measured(max(0.0, max(end for _, end in known) - min(start for start, _ in known)))


def read_benchmark(path: Path) -> Measured | None:
    """Return a benchmark file's first row, None where there is no file; raises InputError for a file that is not whole."""
    if not path.is_file():
        return None
    with path.open(newline="", errors="replace") as stream:
        row = next(csv.DictReader(stream, delimiter="\t"), None)
    try:
        seconds, *rest = [_number((row or {})[key]) for key in ("s", "cpu_time", "max_rss")]
        if not seconds >= 0:
            raise ValueError(seconds)
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: not a whole benchmark file (cut off when the run was killed?); expected a row of numbers in the columns "
            "s, max_rss and cpu_time; delete it, or make the job again"
        ) from None
    return Measured(seconds, *rest)


def _number(text: str) -> float:
    return math.nan if text == "NA" else float(text)  # NA: the job was too short to look at


def _span(root: Path, output: str) -> tuple[float, float] | None:
    """Return when the job of an output started and when the output was last written, in seconds since 1970."""
    path = root / ".snakemake" / "metadata" / urlsafe_b64encode(output.encode()).decode()
    if not output or not path.is_file():
        return None
    try:
        record = json.loads(path.read_text())
        start, end = record["starttime"], record["endtime"]
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: Snakemake's record of {output} cannot be read ({error!r}); make it again") from None
    return None if start is None or end is None else (start, end)


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
