"""Jobs of a workflow as forks of a process that has imported what nearly all of them import first: torch alone takes 3 s, diffusers 2.

`with job_server(folder) as interpreter:` starts it, or takes the one that another process of the tests has started there. A
Snakemake that is started with that interpreter finds beside it a `python` that hands `python -m scripts.NAME ...` (and
benchmarks.NAME) over, with its folder, environment, arguments and open files, and ends as the job did. What else is called
`python` starts as ever. A job imports everything of this repository itself, from its own folder.
"""

from __future__ import annotations

import array
import atexit
import fcntl
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PRELOADED = ("numpy", "pandas", "pyarrow.parquet", "PIL.Image", "safetensors.torch", "torch")
# Imported as a job does it, without what that leaves out. What is of this repository is forgotten before a job begins.
LEAN = (
    "scripts.lib.generators.kinds",
    "scripts.lib.generators.controlled.generator",
    "scripts.lib.generators.controlled.control_training",
    "scripts.lib.downstream.trials",
    "scripts.lib.filters.proxy.small",
)
LATER = (
    "scipy.stats",
    "scipy.ndimage",
    "statsmodels.stats.multitest",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
)
# Isolated and without site-packages: it starts in a fiftieth of a second.
CLIENT = """#!{python} -IS
import array, json, os, socket, sys
words = sys.argv[1:]
if words[:1] != ["-m"] or not words[1].startswith(("scripts.", "benchmarks.")):
    os.execv({python!r}, [{python!r}, *words])
server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
call = json.dumps([os.getcwd(), dict(os.environ), words]).encode()
files = array.array("i", [0, 1, 2])
server.sendmsg([b"%16d" % len(call)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
server.sendall(call)
sys.exit(int(server.recv(16) or b"1"))
"""


@contextmanager
def job_server(folder: Path) -> Iterator[str]:
    """Yield the interpreter whose jobs are forks; `folder` becomes that of the socket, and as a virtual environment.

    All that give the same folder share one server. Who has started it ends it, once nobody else uses it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "starting").open("w") as starting, (folder / "users").open("w") as users:
        fcntl.flock(starting, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        server = None if (folder / "socket").exists() else _start(folder)
        fcntl.flock(starting, fcntl.LOCK_UN)
        try:
            yield str(folder / "bin" / "interpreter")
        finally:
            if server is not None:
                fcntl.flock(users, fcntl.LOCK_EX)
                (folder / "socket").unlink(missing_ok=True)
                server.terminate()
                server.wait()


def _start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the server and return once it answers."""
    path, binaries = folder / "socket", folder / "bin"
    if not binaries.exists():
        binaries.mkdir()
        (binaries / "python").write_text(CLIENT.format(python=sys.executable, path=str(path)))
        (binaries / "python").chmod(0o755)
        (binaries / "interpreter").symlink_to(sys.executable)
        own = Path(sys.prefix)
        if (own / "pyvenv.cfg").is_file():  # the packages of this virtual environment
            shutil.copy(own / "pyvenv.cfg", folder)
            (folder / "lib").symlink_to(own / "lib")
    # As jobs have it: read once, when torch is imported. Threads that spin would be many times slower.
    own_threads = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    command = [sys.executable, "-m", "tests.helpers.job_server", str(path)]
    server = subprocess.Popen(command, cwd=ROOT, env=own_threads)
    while not path.exists() and server.poll() is None:
        time.sleep(0.05)
    assert server.returncode is None, "the server of jobs has not started"
    return server


def serve(path: Path) -> None:
    """Answer calls until SIGTERM: start a job for each, tell its caller how it ended, end it when its caller is killed."""
    _load()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path) + ".part")
    listening.listen(64)
    ended, ends = os.pipe2(os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ends)
    Path(str(path) + ".part").rename(path)
    callers: dict[socket.socket, int] = {}  # with the process of the job of each
    while True:
        ready, _, _ = select.select([listening, ended, *callers], [], [])
        for one in ready:
            if one is listening:
                caller, _ = listening.accept()
                if (job := _started(caller, [listening, *callers])) is not None:
                    callers[caller] = job
            elif one == ended:
                os.read(ended, 4096)
                _tell_ends(callers)
            elif one in callers and not one.recv(1):  # killed
                os.kill(callers.pop(one), signal.SIGKILL)
                one.close()


def _load() -> None:
    """Import what jobs import."""
    from scripts.lib.engine.lean_imports import lean_imports

    for name in PRELOADED:
        __import__(name)
    with lean_imports():
        for name in LEAN:
            __import__(name)
    for name in LATER:
        __import__(name)
    gc.collect()
    gc.freeze()  # a job's collections pass by all this, and leave its memory shared


def _started(caller: socket.socket, others: Sequence[socket.socket]) -> int | None:
    """Read a call and start its job; return its process, or None when the caller was killed before it had said all."""
    files = array.array("i")
    head, ancillary, _, _ = caller.recvmsg(16, socket.CMSG_SPACE(3 * files.itemsize))
    if ancillary:
        files.frombytes(ancillary[0][2][: 3 * files.itemsize])
    wanted, text = int(head or b"0"), b""
    while len(text) < wanted and (part := caller.recv(wanted - len(text))):
        text += part
    job = None
    if wanted and len(text) == wanted and (job := os.fork()) == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in (caller, *others):
            one.close()
        _work(*json.loads(text), files)
    for number in files:
        os.close(number)
    if job is None:
        caller.close()
    return job


def _tell_ends(callers: dict[socket.socket, int]) -> None:
    """Tell the callers of all jobs that have ended their exit status."""
    with suppress(ChildProcessError):
        while True:
            job, status = os.waitpid(-1, os.WNOHANG)
            if job == 0:
                return
            for caller in [one for one, its in callers.items() if its == job]:
                code = os.waitstatus_to_exitcode(status)
                with suppress(OSError):  # killed just now
                    caller.sendall(str(code if code >= 0 else 128 - code).encode())
                del callers[caller]
                caller.close()


def _work(folder: str, environment: Mapping[str, str], words: Sequence[str], files: Sequence[int]) -> None:
    """Become `python WORDS` in a folder; never returns."""
    for number, own in enumerate(files):
        os.dup2(own, number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [words[1], *words[2:]]
    paths = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path = paths + [path for path in sys.path if path not in ("", str(ROOT))]
    for name in [name for name in sys.modules if name.split(".")[0] in ("scripts", "tests", "benchmarks")]:
        del sys.modules[name]
    status: Any = 0
    try:
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status or 0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
