"""Write the jobs of a dry run as JSON: Snakemake's own account of them, taken from its log events.

A command of its own, because Snakemake changes the process that it runs in. Called by jobs.py:

    python -m scripts.lib.planning.listing JOBS.json --configfile studies/tiny.yaml --directory EMPTY results/figure2.pdf
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any


class JobRecorder(logging.Handler):
    """Keep what Snakemake says of each job: rule, wildcards, files, threads, resources."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.jobs: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if str(getattr(record, "event", "")) != "job_info":
            return
        wildcards = record.wildcards
        self.jobs.append(
            {
                "rule": record.rule_name,
                "wildcards": {name: str(value) for name, value in dict(wildcards or {}).items()},
                "input": [str(file) for file in record.input],
                "output": [str(file) for file in record.output],
                "benchmark": str(record.benchmark) if record.benchmark else None,
                "threads": record.threads,
                "resources": {
                    name: value
                    for name, value in dict(record.resources or {}).items()
                    if isinstance(value, (int, float)) and not name.startswith("_")
                },
            }
        )


def main(argv: list[str]) -> int:
    """Dry-run Snakemake with the arguments after the first; write its jobs to the file that the first one names."""
    from snakemake import cli

    recorder = JobRecorder()
    # Snakemake clears the handlers of its own logger when it starts, not those of the logger above.
    logging.getLogger("snakemake").addHandler(recorder)
    status = 0
    try:
        cli.main(["--dry-run", *argv[1:]])
    except SystemExit as end:
        status = int(end.code or 0)
    if status == 0:
        Path(argv[0]).write_text(json.dumps(recorder.jobs))
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
