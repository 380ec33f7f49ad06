"""A small workflow that starts and ends as the real one does, with jobs that last as long as a test wants."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.helpers.forked_snakemake import Begun, begin

ROOT = Path(__file__).resolve().parents[2]
SNAKEFILE = f"""
import os
from scripts.lib.engine.locks import clear_stale_locks
from scripts.lib.engine.start import begin_jobs, one_line

os.environ.update(PYTHONPATH={str(ROOT)!r}, SYNTHORAX_ROOT={str(ROOT)!r})
ALIVE = one_line(clear_stale_locks) if workflow.is_main_process else None

onstart:
    one_line(begin_jobs, ALIVE, workflow)

rule wait:
    output: "{{name}}.txt"
    resources: mem_mb=10, runtime=1
    shell: "{sys.executable} wait.py -m scripts.wait {{wildcards.name}} > {{output}}"
"""
JOB = """
import pathlib, sys, time
pathlib.Path(sys.argv[-1] + ".runs").touch()
while not pathlib.Path(sys.argv[-1] + ".free").exists():
    time.sleep(0.02)
print("done")
"""


class Held:
    """A folder with that workflow: the job of `a.txt` goes on until `free("a")`."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        (root / "Snakefile").write_text(SNAKEFILE)
        (root / "wait.py").write_text(JOB)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self.started: list[Begun] = []

    def start(self, *arguments: str) -> Begun:
        """Start Snakemake; its output goes to a file, which jobs that outlive it do not hold open for a reader."""
        self.started.append(begin(arguments, self.root, self.output(len(self.started)), self.environment))
        return self.started[-1]

    def output(self, number: int) -> Path:
        return self.root / f"snakemake-{number}.txt"

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run Snakemake to its end; return its status and what it printed."""
        status = self.start(*arguments).wait(60)
        return status, self.output(len(self.started) - 1).read_text()

    def hold(self, *arguments: str, name: str) -> Begun:
        """Start Snakemake and return once the job of `name` runs and everything about it is recorded."""
        process = self.start(*arguments)
        wait_until(lambda: (self.root / f"{name}.runs").exists())
        return process

    def free(self, name: str) -> None:
        """Let the job of `name` end."""
        (self.root / f"{name}.free").touch()

    def records(self) -> list[dict[str, object]]:
        return [json.loads(path.read_text()) for path in self.root.glob(".snakemake/runs/[!.]*/run.json")]

    def jobs(self) -> list[int]:
        """Return the processes that do jobs in this folder."""
        import psutil

        found = []
        for process in psutil.process_iter():
            try:
                if "wait.py" in process.cmdline() and process.cwd() == str(self.root):
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    def end(self) -> None:
        """End everything that this test has started."""
        for process in self.started:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for pid in self.jobs():
            os.kill(pid, signal.SIGKILL)


def wait_until(true: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until something holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
