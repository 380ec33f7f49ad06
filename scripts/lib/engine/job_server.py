"""Start the jobs of a run as forks of one process that has imported what they import: half of a table's job is its start.

The Snakemake of a run starts the server (run_setup), which ends when that Snakemake and its last job have. job_client.py hands
it commands. A job computes what `python -m scripts.NAME` would: its modules, arguments, folder, environment, open files, exit
status and the signals that it gets are the same. The server computes nothing and has one thread, so that there is nothing that a
fork could break. It is for jobs of one thread on a machine without a GPU; all others start by themselves.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import json
import os
import runpy
import select
import shutil
import signal
import socket
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from scripts.lib.engine.job_client import HEAD
from scripts.lib.engine.preloading import PACKAGE, Preloaded

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux' prctl
FORKS = "forks"  # folder of one file a job: named as the process of its caller, it holds the process of the job


class Server:
    """Answers calls on a socket that listens; `folder` is the one that holds it, `life` a pipe whose other end Snakemake holds."""

    def __init__(self, listening: socket.socket, life: int) -> None:
        self.listening, self.life = listening, life
        self.folder = Path(listening.getsockname()).parent
        self.preloaded = Preloaded(self.folder / "learned")
        self.callers: dict[
            socket.socket, tuple[int, int]
        ] = {}  # with the processes of each: the caller's and its job's
        (self.folder / FORKS).mkdir()

    def serve(self) -> None:
        """Answer until the run has ended and the last job with it: start jobs, pass signals on, tell how jobs ended."""
        ended, ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(ends)
        runs = True
        while runs or self.callers:
            watched: list[Any] = [self.listening, ended, *self.callers, *([self.life] if runs else [])]
            ready, _, _ = select.select(watched, [], [])
            for one in ready:
                if one is self.listening:
                    self._start(self.listening.accept()[0])
                elif one == ended:
                    os.read(ended, 4096)
                    self._tell_ends()
                elif one == self.life:
                    runs = bool(os.read(self.life, 1))
                elif one in self.callers:
                    self._pass_on(one)

    def _pass_on(self, caller: socket.socket) -> None:
        """Pass the signals that a caller got on to its job; end the job of a caller that was killed."""
        _, job = self.callers[caller]
        for number in caller.recv(64) or [signal.SIGKILL]:
            with suppress(ProcessLookupError):
                os.kill(job, number)
            if number == signal.SIGKILL:
                self._forget(caller)

    def _start(self, caller: socket.socket) -> None:
        """Read a call and start its job; a caller that was killed before it had said all gets none."""
        files = array.array("i")
        head, ancillary, _, _ = caller.recvmsg(HEAD, socket.CMSG_SPACE(3 * files.itemsize))
        if ancillary:
            files.frombytes(ancillary[0][2][: 3 * files.itemsize])
        wanted, text = int(head or b"0"), b""
        while len(text) < wanted and (part := caller.recv(wanted - len(text))):
            text += part
        if not wanted or len(text) < wanted:
            caller.close()
        else:
            folder, environment, words = json.loads(text)
            self.preloaded.load(words[1])
            parent = os.getpid()
            job = os.fork()
            if job == 0:
                self._leave(caller, parent)
                become(folder, environment, words, files, self.preloaded)
            whose = struct.unpack(
                "3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            )[0]
            self.callers[caller] = whose, job
            (self.folder / FORKS / str(whose)).write_text(str(job))
        for number in files:
            os.close(number)

    def _leave(self, caller: socket.socket, parent: int) -> None:
        """Make a fork independent of the server, but for one thing: it is killed with it, as nobody could tell how it ended."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before
            os._exit(1)
        for one in (self.listening, caller, *self.callers):
            one.close()

    def _tell_ends(self) -> None:
        """Tell the callers of all jobs that have ended their exit status."""
        with suppress(ChildProcessError):
            while True:
                job, status = os.waitpid(-1, os.WNOHANG)
                if job == 0:
                    return
                code = os.waitstatus_to_exitcode(status)
                for caller in [one for one, (_, its) in self.callers.items() if its == job]:
                    with suppress(OSError):  # killed just now
                        caller.sendall(str(code if code >= 0 else 128 - code).encode())
                    self._forget(caller)

    def _forget(self, caller: socket.socket) -> None:
        whose, _ = self.callers.pop(caller)
        (self.folder / FORKS / str(whose)).unlink(missing_ok=True)
        caller.close()


def become(
    folder: str, environment: Mapping[str, str], words: Sequence[str], files: Sequence[int], preloaded: Preloaded
) -> None:
    """Become `python WORDS` in a folder; never returns. A job of another copy of the project imports that one's modules."""
    same_path = environment.get("PYTHONPATH", "") == os.environ.get("PYTHONPATH", "")
    for number, given in enumerate(files):
        os.dup2(given, number)  # the streams of sys stay those of these numbers
        os.close(given)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [words[1], *words[2:]]
    sys.path[0] = folder
    if not same_path:
        sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
        for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
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
        preloaded.learn(words[1])
        threading._shutdown()  # type: ignore[attr-defined] # waits for threads, as Python's own end does
        atexit._run_exitfuncs()
        with suppress(ValueError, OSError):  # closed, or nobody reads any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status or 0)


def main() -> None:
    listening = socket.socket(fileno=int(sys.argv[1]))
    server = Server(listening, life=0)
    try:
        server.serve()
    finally:
        shutil.rmtree(server.folder, ignore_errors=True)
    os._exit(0)  # Python's own end would have libraries that were loaded for the jobs report their objects as leaks


if __name__ == "__main__":
    main()
