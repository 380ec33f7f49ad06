"""How a job is told to make way: SIGTERM or SIGUSR1, upon which it stores its state and ends with status 143."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Schedulers announce a preemption by one or the other; a job that has stored its state ends as one that SIGTERM ended.
STOPS = (signal.SIGTERM, signal.SIGUSR1)
TERMINATED = 128 + signal.SIGTERM


def end_on_request() -> None:
    """Let SIGTERM and SIGUSR1 end this process as an exception does, with status 143: temporary files are removed."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    for number in STOPS:
        signal.signal(number, end)


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM or SIGUSR1 sets, so that a loop can store its state before it ends.

    A block that only publishes a result leaves the event alone: what takes seconds is finished rather than torn.
    """
    asked = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, note) for number in STOPS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
