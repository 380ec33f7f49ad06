"""Commands in processes of their own that a test interrupts, forks of the tests' job server.

Every piece of work (micro-batch, batch of the monitor, step of a trial, batch of images) is counted, so that a test says
at which of them a signal arrives.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.lib.core.stop_requests import end_on_request
from scripts.lib.downstream import trials
from scripts.lib.generators import shards
from scripts.lib.generators.controlled import preference_training
from scripts.lib.training import loop

ROOT = Path(__file__).resolve().parents[2]


def _counted(function: Any, work: Path, at: int, number: int) -> Any:
    def counted(*arguments: Any, **named: Any) -> Any:
        with work.open("a") as stream:
            stream.write(".")
        if work.stat().st_size == at:
            os.kill(os.getpid(), number)
        return function(*arguments, **named)

    return counted


def command(folder: Path, at: int, number: int, module: str, *arguments: str) -> None:
    """Run a command; piece `at` of its work, from 1, gets it signal `number`."""
    places = ((loop, "batch_noise"), (preference_training, "batch_noise"), (shards, "make_batch"))
    for owner, name in (*places, (trials.Training, "_step")):
        setattr(owner, name, _counted(getattr(owner, name), folder / "work", at, number))
    end_on_request()  # as cli.run does for a command that is started by its name
    importlib.import_module(module).main(list(arguments))


@dataclass(frozen=True)
class Forks:
    """Starts commands; `python` is the client that `fork_of` names."""

    python: str

    def run(self, call: tuple[str, Sequence[object]], folder: Path, at: int = 0, number: int = 0) -> tuple[int, str]:
        """Run a command to its end; return its exit status, that of a shell after a signal, and what it has logged."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "work").unlink(missing_ok=True)
        module, arguments = call
        words = [self.python, "-m", __name__, str(folder), str(at), str(int(number)), module, *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (folder / "log").open("w") as log:
            done = subprocess.run(words, cwd=ROOT, env=environment, stderr=log, timeout=120, check=False)
        return done.returncode, (folder / "log").read_text()

    def finish(self, call: tuple[str, Sequence[object]], folder: Path) -> None:
        """Run a command to its end, which must be a good one."""
        status, log = self.run(call, folder)
        assert status == 0, log[-3000:]


def work_done(folder: Path) -> int:
    """Return how many pieces of work the last run has begun."""
    return (folder / "work").stat().st_size if (folder / "work").exists() else 0


if __name__ == "__main__":
    command(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
