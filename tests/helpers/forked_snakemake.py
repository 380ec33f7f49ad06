"""Snakemake's command line in processes that are forked from one which has imported it: half of a dry run is imports.

The server is a process of its own, `python -m tests.helpers.forked_snakemake`: it reads calls as lines of JSON, forks for each
and answers with the exit status, or at once with the number of the process (`begin`). What the Snakefile imports is not among
what it has imported: each call takes it from the folder that it runs in.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a dry run imports beside the command line itself.
PRELOADED = (
    "snakemake.cli",
    "snakemake.api",
    "snakemake.workflow",
    "snakemake.dag",
    "snakemake.scheduling.job_scheduler",
    "snakemake_executor_plugin_slurm",
    "snakemake_executor_plugin_cluster_generic",
    "jsonschema",
    "yaml",
    "smart_open",
)


def snakemake(
    words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None, interpreter: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run `snakemake WORDS` in a folder, as `INTERPRETER -m snakemake` would, and return its exit status and output."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        status = int(_ask(_call(words, folder, environment, interpreter, out, err)))
        return subprocess.CompletedProcess(["snakemake", *words], status, out.read_text(), err.read_text())


class Begun:
    """A Snakemake that runs by itself, the first process of a session of its own: what a test needs of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return its exit status, negative after a signal; None while it runs."""
        if self.returncode is None and (answer := _ask({"poll": self.pid})):
            self.returncode = int(answer)
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """Return its exit status once it has ended; raises TimeoutExpired when that takes more than `timeout` seconds."""
        end = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(["snakemake"], timeout)
            time.sleep(0.02)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def begin(
    words: Sequence[str],
    folder: Path,
    output: Path,
    environment: Mapping[str, str] | None = None,
    interpreter: str = sys.executable,
) -> Begun:
    """Start `snakemake WORDS` in a folder and go on; what it prints is added to the file `output`."""
    return Begun(int(_ask(_call(words, folder, environment, interpreter, output, output) | {"begin": True})))


def _call(
    words: Sequence[str], folder: Path, environment: Mapping[str, str] | None, interpreter: str, out: Path, err: Path
) -> dict[str, object]:
    streams = {"out": str(out), "err": str(err)}
    own = dict(environment or os.environ)
    return {"words": list(words), "folder": str(folder), "environment": own, "interpreter": interpreter, **streams}


def _ask(call: Mapping[str, object]) -> str:
    """Say a call to the server of this process; return its answer."""
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(call) + "\n")
    server.stdin.flush()
    return server.stdout.readline().strip()


@cache
def _server() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.helpers.forked_snakemake"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)  # closes its input, which ends it
    return server


def _serve() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    importlib.import_module("snakemake.cli").get_argument_parser()  # finds the plugins, once for all
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(_answer(json.loads(line)), flush=True)


def _answer(call: Mapping[str, object]) -> int | str:
    """Return the exit status of a call; of one that begins, its process; of a process that still runs, nothing."""
    if "poll" in call:
        child, status = os.waitpid(int(str(call["poll"])), os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if child else ""
    child = os.fork()
    if child == 0:
        if "begin" in call:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are deaf to it
        _run(call)
    if "begin" in call:
        return child
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run(call: Mapping[str, object]) -> None:
    """Become the command: its output, folder, environment, arguments and path of modules; never returns."""
    from snakemake import cli

    for number, name in ((0, os.devnull), (1, str(call["out"])), (2, str(call["err"]))):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    folder, environment, words = str(call["folder"]), call["environment"], call["words"]
    assert isinstance(environment, dict) and isinstance(words, list)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.executable = ["snakemake", *words], str(call["interpreter"])
    paths = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path = paths + [path for path in sys.path if path not in ("", str(ROOT))]
    status = 1
    try:
        cli.main(words)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()  # removes the record of the run, and ends what it has started for itself
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
