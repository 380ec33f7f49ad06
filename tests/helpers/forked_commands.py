"""Commands in processes of their own that a test interrupts. A server imports torch and the library once and forks them.

Every piece of work (micro-batch, batch of the monitor, step of a trial, batch of images) is counted, so that a test says
at which of them a signal arrives.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import scripts.lib.filters.proxy.small  # noqa: F401

# Imported before the fork, once for all.
import scripts.lib.generators.controlled.control_training  # noqa: F401
import scripts.lib.mgca.pretraining  # noqa: F401
from scripts.lib.core.stop_requests import end_on_request
from scripts.lib.downstream import trials
from scripts.lib.generators import shards
from scripts.lib.generators.controlled import preference_training
from scripts.lib.training import loop

ROOT = Path(__file__).resolve().parents[2]


def server() -> Any:
    """Return the context whose processes are forked from a server that has imported this module."""
    os.environ["PYTHONPATH"] = str(ROOT)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _counted(function: Any, work: Path, at: int, number: int) -> Any:
    def counted(*arguments: Any, **named: Any) -> Any:
        with work.open("a") as stream:
            stream.write(".")
        if work.stat().st_size == at:
            os.kill(os.getpid(), number)
        return function(*arguments, **named)

    return counted


def command(module: str, arguments: Sequence[str], folder: Path, at: int, number: int) -> None:
    """Run a command with its stderr in FOLDER/log; piece `at` of its work, from 1, gets it signal `number`."""
    log = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    places = ((loop, "batch_noise"), (preference_training, "batch_noise"), (shards, "make_batch"))
    for owner, name in (*places, (trials.Training, "_step")):
        setattr(owner, name, _counted(getattr(owner, name), folder / "work", at, number))
    end_on_request()  # as cli.run does for a command that is started by its name
    importlib.import_module(module).main(list(arguments))


def run(call: tuple[str, Sequence[object]], folder: Path, at: int = 0, number: int = 0) -> tuple[int | None, str]:
    """Run a command to its end; return its exit status, negative after a signal, and what it has logged."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("work", "log"):
        (folder / name).unlink(missing_ok=True)
    module, arguments = call
    words = [str(word) for word in arguments]
    process = server().Process(target=command, args=(module, words, folder, at, int(number)))
    process.start()
    process.join(120)
    return process.exitcode, (folder / "log").read_text()


def work_done(folder: Path) -> int:
    """Return how many pieces of work the last run has begun."""
    return (folder / "work").stat().st_size if (folder / "work").exists() else 0
