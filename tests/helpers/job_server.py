"""One job server for all processes of the tests: `with shared_server(folder) as interpreter:`.

A Snakemake that is started with that interpreter finds the server's client beside it as `python`, also in the Snakemakes that a
profile starts for single jobs. `fork_of(interpreter)` is a client that also takes the modules of the tests and the benchmarks.
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


def fork_of(interpreter: str) -> str:
    """Return the `python` whose `-m tests.helpers.X`, `-m benchmarks.X` and `-m scripts.X` are forks of the server."""
    return str(Path(interpreter).with_name("fork"))


def _start(jobs: Path) -> int:
    jobs.mkdir()
    client = write_client(jobs)
    plain, own = 'startswith("scripts.")', 'startswith(("scripts.", "tests.helpers.", "benchmarks."))'
    assert plain in client.read_text()
    client.with_name("fork").write_text(client.read_text().replace(plain, own))
    client.with_name("fork").chmod(0o755)
    held = start_server(jobs)
    (jobs / "bin" / "interpreter").symlink_to(sys.executable)
    own = Path(sys.prefix)
    if (own / "pyvenv.cfg").is_file():  # the packages of this virtual environment
        shutil.copy(own / "pyvenv.cfg", jobs)
        (jobs / "lib").symlink_to(own / "lib")
    return held
