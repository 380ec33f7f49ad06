"""Who works in a folder: each Snakemake leaves a record there, which proves that it lives or says which host to ask.

A record is a folder `.snakemake/runs/{host}-{pid}-{ms}` with
    run.json                  host, process and start; its run holds a `flock` on it for as long as it lives
    started                   once its jobs may run: how to ask for them (JSON)
    given-up                  the user's word that the run is dead
    input.lock, output.lock   copies of Snakemake's lock files of this run
It goes away with its run, so that the record of a dead run tells of one that was killed.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

RECORD, STARTED, GIVEN_UP = "run.json", "started", "given-up"
LOCK_KINDS = ("input", "output")
CLOCK = 5.0  # seconds by which a process's start may be off after the clock was set


@dataclass(frozen=True)
class Run:
    """One Snakemake in a folder. `born`: when its process began, seconds since 1970; `since`: the same to read."""

    folder: Path
    host: str
    pid: int
    born: float
    since: str
    stream: IO[str] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"host {self.host}, pid {self.pid}, since {self.since}"

    @property
    def here(self) -> bool:
        """Whether it runs, or ran, on this host."""
        return self.host == socket.gethostname()

    @property
    def started(self) -> Mapping[str, Any] | None:
        """What the run said when it began with its jobs; None while it still plans."""
        try:
            return json.loads((self.folder / STARTED).read_text())
        except (OSError, ValueError):
            return None

    def alive(self) -> bool:
        """Whether it lives. Of another host nobody here can tell, so its runs count as alive.

        A held `flock` is proof. A free one is not: some network file systems know none, or keep it to one node.
        """
        if (self.folder / GIVEN_UP).exists():
            return False
        return not self.here or _held(self.folder / RECORD) or _process_of(self.pid, self.born)

    def start(self, facts: Mapping[str, Any]) -> None:
        """Say that jobs may run from now on, and how to ask for them."""
        (self.folder / STARTED).write_text(json.dumps(dict(facts)))

    def give_up(self) -> None:
        """Count a run of another host as dead from now on."""
        (self.folder / GIVEN_UP).touch()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_error: object) -> None:
        self.forget()

    def forget(self) -> None:
        """Remove the record."""
        if self.stream:
            self.stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def register(runs: Path) -> Run:
    """Return the record of this process, new in the folder `runs`; it goes away when the process ends by itself."""
    import psutil

    born = psutil.Process().create_time()
    host, pid = socket.gethostname(), os.getpid()
    since = datetime.fromtimestamp(born).strftime("%Y-%m-%d %H:%M:%S")
    runs = runs.absolute()  # Snakemake goes back to the folder where it was started before it ends
    runs.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=runs))
    try:
        (new / RECORD).write_text(json.dumps({"host": host, "pid": pid, "born": born, "since": since}))
    except OSError as error:  # no room: leave nothing behind, and say where, which a write does not
        shutil.rmtree(new, ignore_errors=True)
        raise OSError(error.errno, error.strerror, str(runs)) from None
    stream = (new / RECORD).open("r+")
    with suppress(OSError):  # a file system without flock: the process tells
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    folder = runs / f"{host}-{pid}-{round(datetime.now().timestamp() * 1000)}"
    new.rename(folder)
    run = Run(folder, host, pid, born, since, stream)
    atexit.register(_leave, run, pid)
    return run


def others(this_run: Run) -> list[Run]:
    """Return the runs beside `this_run` that have a record, the oldest first."""
    return [
        run
        for run in runs_of(this_run.folder.parent)
        if (run.host, run.pid, run.born) != (this_run.host, this_run.pid, this_run.born)
    ]


def runs_of(runs: Path) -> list[Run]:
    """Return the runs that have a record in the folder `runs`, the oldest first, alive or not."""
    runs_found = [run for path in sorted(runs.glob("[!.]*/" + RECORD)) if (run := _read(path.parent))]
    return sorted(runs_found, key=lambda run: run.born)


def _read(folder: Path) -> Run | None:
    try:
        facts = json.loads((folder / RECORD).read_text())
        return Run(folder, str(facts["host"]), int(facts["pid"]), float(facts["born"]), str(facts["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it ended this moment, or the disk was full


def _held(path: Path) -> bool:
    try:
        with path.open("r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _process_of(pid: int, born: float) -> bool:
    import psutil

    try:
        return abs(psutil.Process(pid).create_time() - born) < CLOCK
    except psutil.Error:
        return False


def _leave(run: Run, pid: int) -> None:
    if os.getpid() == pid:  # not in a copy of the process that a library forked
        run.forget()
