"""Write the jobs of a dry run as JSON: Snakemake's own account of them, taken from its log events.

A command of its own, because Snakemake changes the process that it runs in. What a study reads and this machine does not have
(raw trees, weights) counts as there: a plan needs no data. Called by jobs.py:

    python -m scripts.lib.planning.listing JOBS.json --configfile studies/tiny.yaml --directory EMPTY results/figure2.pdf
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from scripts.lib.engine import run_setup


class JobRecorder(logging.Handler):
    """Keep what Snakemake says of each job: rule, wildcards, files, threads, resources."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.jobs: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record that describes a job."""
        said = vars(record)  # Snakemake's own fields
        if str(said.get("event", "")) != "job_info":
            return
        job: dict[str, Any] = {"rule": said["rule_name"], "threads": said["threads"], "benchmark": said["benchmark"]}
        job |= {side: [str(file) for file in said[side]] for side in ("input", "output")}
        job["wildcards"] = {name: str(value) for name, value in dict(said["wildcards"] or {}).items()}
        numbers = dict(said["resources"] or {}).items()
        job["resources"] = {key: one for key, one in numbers if isinstance(one, (int, float)) and key[0] != "_"}
        self.jobs.append(job)


def sources_count_as_there() -> None:
    """Let the workflow, and Snakemake, take every file outside of results/ as there, and old."""
    from snakemake.io import Mtime, _IOFile

    async def exists(file: Any) -> bool:
        return not str(file.file).startswith("results/")

    async def written(file: Any, skip_storage: bool = False) -> Mtime:
        return Mtime(local=0.0)

    run_setup.check_sources = lambda config: None
    _IOFile.exists, _IOFile.mtime_uncached = exists, written


def main(argv: list[str]) -> int:
    """Dry-run Snakemake with the arguments after the first; write its jobs to the file that the first one names."""
    from snakemake import cli

    sources_count_as_there()
    recorder = JobRecorder()
    # Snakemake clears the handlers of its own logger when it starts, not those of the logger above.
    logging.getLogger("snakemake").addHandler(recorder)
    status = 0
    try:
        cli.main(["--dry-run", *argv[1:]])
    except SystemExit as end:
        status = int(end.code or 0)
    if status == 0:
        Path(argv[0]).write_text(json.dumps(recorder.jobs, default=str))
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
