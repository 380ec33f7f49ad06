"""Write the jobs of a dry run as JSON: Snakemake's own account of them, taken from its log events.

A command of its own, because Snakemake changes the process that it runs in, and is changed in it. What a study reads and this
machine does not have (raw trees, weights) counts as there: a plan needs no data. Called by planning/jobs.py:

    python -m scripts.lib.engine.dry_run JOBS.json --configfile studies/tiny.yaml --directory EMPTY results/figure2.pdf
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
        if str(said.get("event", "")) == "job_info":
            job = {key: said[key] for key in ("input", "output", "threads", "benchmark")}
            job |= {"rule": said["rule_name"], "wildcards": dict(said["wildcards"] or {})}
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


def main(out: Path, options: list[str]) -> int:
    """Dry-run Snakemake with these options, and write its jobs to a file; return its status."""
    from snakemake import cli

    sources_count_as_there()
    recorder = JobRecorder()
    # Snakemake clears the handlers of its own logger when it starts, not those of the logger above.
    logging.getLogger("snakemake").addHandler(recorder)
    try:
        cli.main(["--dry-run", *options])
    except SystemExit as end:
        if end.code:
            return int(end.code)
    out.write_text(json.dumps(recorder.jobs, default=str))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
