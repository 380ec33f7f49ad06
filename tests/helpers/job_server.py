"""One job server for all processes of the tests: `with shared_server(folder) as interpreter:`.

A Snakemake that is started with that interpreter finds the server's client beside it as `python`, also in the Snakemakes that a
profile starts for single jobs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.engine.job_starts import SWITCH, start_server, write_client


@contextmanager
def shared_server(folder: Path) -> Iterator[str]:
    """Yield the interpreter whose jobs are forks; who is the first to give this folder starts the server, and ends it last."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = folder / "jobs"
    os.environ[SWITCH] = "off"  # a Snakemake of the tests starts none of its own
    with (folder / "starting").open("w") as starting, (folder / "users").open("w") as users:
        fcntl.flock(starting, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        held = None if jobs.exists() else _start(jobs)
        fcntl.flock(starting, fcntl.LOCK_UN)
        try:
            yield str(jobs / "bin" / "interpreter")
        finally:
            if held is not None:
                fcntl.flock(users, fcntl.LOCK_EX)
                os.close(held)


def _start(jobs: Path) -> int:
    jobs.mkdir()
    write_client(jobs)
    held = start_server(jobs)
    (jobs / "bin" / "interpreter").symlink_to(sys.executable)
    own = Path(sys.prefix)
    if (own / "pyvenv.cfg").is_file():  # the packages of this virtual environment
        shutil.copy(own / "pyvenv.cfg", jobs)
        (jobs / "lib").symlink_to(own / "lib")
    return held
