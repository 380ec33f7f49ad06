"""Jobs of a workflow as forks of a process that has imported what nearly all of them import first: torch alone takes 3 s, diffusers 2.

`with job_server(folder) as interpreter:` starts it, or takes the one that another process of the tests has started there. A Snakemake that is started with that interpreter finds beside it a
`python` that hands `python -m scripts.NAME ...` (or benchmarks.NAME) over, with its folder, environment, arguments and open files, and ends as the
job did. What else is called `python` starts as ever. A job imports everything of this repository itself, from its own folder.
"""

from __future__ import annotations

import array
import atexit
import fcntl
import gc
import json
import os
import runpy
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
    """Answer calls until SIGTERM; each has two processes of its own, the job and one that waits for it."""
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
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path) + ".part")
    listening.listen(64)
    Path(str(path) + ".part").rename(path)
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        caller, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _keep(caller)
        caller.close()


def _reap(*_: object) -> None:
    """Take leave of those that have waited for a job, whose processor time counts as the server's then."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(caller: socket.socket) -> None:
    """Start the job, end it when its caller is killed, and tell the caller how it ended; never returns."""
    files = array.array("i")
    head, ancillary, _, _ = caller.recvmsg(16, socket.CMSG_SPACE(3 * files.itemsize))
    files.frombytes(ancillary[0][2][: 3 * files.itemsize])
    wanted, text = int(head), b""
    while len(text) < wanted:
        part = caller.recv(wanted - len(text))
        if not part:  # killed before it had said what it wants
            os._exit(1)
        text += part
    job = os.fork()
    if job == 0:
        caller.close()
        _work(*json.loads(text), files)
    for number in files:
        os.close(number)
    caller.settimeout(0.02)
    while True:
        done, status = os.waitpid(job, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            caller.sendall(str(code if code >= 0 else 128 - code).encode())
            os._exit(0)
        try:
            if caller.recv(1) == b"":
                os.kill(job, signal.SIGKILL)
        except TimeoutError:
            pass


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
