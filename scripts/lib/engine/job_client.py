"""The `python` that jobs of a run on one machine find first: it hands `python -m scripts.NAME ...` to the run's job server.

It stands as a file of its own in the server's folder, starts isolated and without site-packages in a fiftieth of a second, and
becomes the real `python` for all that the server does not do: other modules, jobs with more than one thread, a server that ended.
"""

import array
import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
HEAD = 16  # characters that tell how long a call is
LOST = "the process that starts this run's jobs ended, and the job with it; run the command again"


def served(words: list[str]) -> bool:
    """Whether a server can do this command: one of the project's, on one thread, as the server's libraries were loaded."""
    project = len(words) > 1 and words[0] == "-m" and words[1].startswith("scripts.")
    return project and os.environ.get("OMP_NUM_THREADS") == "1"


def become_python(words: list[str]) -> None:
    """Replace this process by the real interpreter, the one that the first line of this file names."""
    os.execv(sys.executable, [sys.executable, *words])


def call(server: socket.socket, words: list[str]) -> int:
    """Hand a command over with its folder, environment and open files; return its exit status. Signals are passed on to it."""
    text = json.dumps([os.getcwd(), dict(os.environ), words]).encode()  # noqa: PTH109 - pathlib takes long to import
    files = array.array("i", [0, 1, 2])
    server.sendmsg([b"%*d" % (HEAD, len(text))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    server.sendall(text)
    for number in PASSED_ON:  # one that comes before ends this process, and the server the job
        if signal.getsignal(number) is not signal.SIG_IGN:  # as for what a shell runs in the background
            signal.signal(number, lambda given, _frame: server.send(bytes([given])))
    answer = server.recv(HEAD)
    if not answer:
        print(LOST, file=sys.stderr)
    return int(answer or b"1")


def main() -> None:
    words, server = sys.argv[1:], socket.socket(socket.AF_UNIX)
    if not served(words):
        become_python(words)
    try:
        server.connect(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "socket"))  # noqa: PTH100, PTH118, PTH120
    except OSError:  # ended or killed
        become_python(words)
    sys.exit(call(server, words))


if __name__ == "__main__":
    main()
