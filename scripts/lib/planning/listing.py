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
        """Take a record that describes a job."""
        fields = vars(record)  # Snakemake's own fields
        if str(fields.get("event", "")) != "job_info":
            return
        job: dict[str, Any] = {"rule": fields["rule_name"], "threads": fields["threads"]}
        job["wildcards"] = {name: str(value) for name, value in dict(fields["wildcards"] or {}).items()}
        job |= {side: [str(file) for file in fields[side]] for side in ("input", "output")}
        job["benchmark"] = str(fields["benchmark"]) if fields["benchmark"] else None
        numbers = {name: one for name, one in dict(fields["resources"] or {}).items() if isinstance(one, (int, float))}
        job["resources"] = {name: one for name, one in numbers.items() if not name.startswith("_")}
        self.jobs.append(job)


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
