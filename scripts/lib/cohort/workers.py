"""Work on many items in several processes, results in the order of the items, with few of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from scripts.lib.core.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
CHUNK = 32


def in_order(work: Callable[[T], R], items: Sequence[T], processes: int) -> Iterator[R]:
    """Yield `work(item)` for every item, in order; with one process the work is done here.

    Raises what the work raises, and InputError when a process dies (out of memory, a crash in a decoder).
    """
    if processes <= 1 or len(items) <= CHUNK:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(processes) as pool:
        waiting: deque[Future[list[R]]] = deque()
        try:
            for start in range(0, len(items), CHUNK):
                waiting.append(pool.submit(_work_on, work, items[start : start + CHUNK]))
                if len(waiting) > 3 * processes:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool:
            raise InputError(
                "a worker process died, out of memory or by a file that crashes its decoder: lower --threads or free memory; "
                "if it happens again, halve the table until the file is found"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _work_on(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [work(item) for item in items]
