"""A Snakemake that a job of another one runs: it outlives no signal that its job gets, and says in one line that it failed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

from scripts.lib.core.errors import InputError

# An interrupted Snakemake ends its jobs, which store their state; it is not killed before that.
ENDING = signal.SIGINT


def run_snakemake(words: Sequence[str], what: str) -> None:
    """Run `snakemake WORDS` to its end. Raises InputError where it fails; `what` says whose run it was."""
    if (
        signal.getsignal(ENDING) == signal.SIG_IGN
    ):  # a shell starts what it puts into the background so, and it is inherited
        signal.signal(ENDING, signal.default_int_handler)
    with subprocess.Popen([sys.executable, "-m", "snakemake", *words]) as process:
        try:
            status = process.wait()
        except BaseException as end:
            if not isinstance(end, KeyboardInterrupt):  # which the terminal has sent to both
                process.send_signal(ENDING)
            process.wait()
            raise
    if status:
        raise InputError(
            f"{what}: its Snakemake ended with status {status}; what failed stands above, and the same command goes on there"
        )
