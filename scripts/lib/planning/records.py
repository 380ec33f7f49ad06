"""What a job took in a run: of Snakemake's benchmark file, or of its own record of the job."""

from __future__ import annotations

import csv
import json
import math
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.planning.jobs import Job

BENCHMARKS = "results/benchmarks"


@dataclass(frozen=True)
class Measured:
    """Seconds of a job by the clock; processor seconds and resident memory (MB) where a benchmark file has them, else nan.

    Snakemake looks at a job every half second, and after 15 s every 30 s: `cpu_seconds` may lack the last 30 s.
    """

    seconds: float
    cpu_seconds: float = math.nan
    rss_mb: float = math.nan


def measured_of(job: Job, root: Path) -> Measured | None:
    """Return what a job took in the run whose working directory is `root`, None where it left nothing.

    A job of a rule with `benchmark:` by that file; of others from its start to the last change of an output, as Snakemake
    records both. On a cluster that includes the time in the queue.
    """
    if job.benchmark:
        return read_benchmark(root / job.benchmark)
    spans = [span for output in job.outputs if (span := _span(root, output))]
    return Measured(max(0.0, max(end for _, end in spans) - min(start for start, _ in spans))) if spans else None


def read_benchmark(path: Path) -> Measured | None:
    """Return a benchmark file's first row, None where there is no file; raises InputError for a file that is not whole."""
    if not path.is_file():
        return None
    with path.open(newline="", errors="replace") as stream:
        row = next(csv.DictReader(stream, delimiter="\t"), {})
    try:  # NA: the job was too short to look at
        took = Measured(*(math.nan if row[key] == "NA" else float(row[key]) for key in ("s", "cpu_time", "max_rss")))
    except (KeyError, TypeError, ValueError):
        took = Measured(math.nan)
    if not took.seconds >= 0:
        raise InputError(
            f"{path}: not a whole benchmark file (cut off when the run was killed?); expected a row of numbers in the columns "
            "s, max_rss and cpu_time; delete it, or make the job again"
        )
    return took


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
