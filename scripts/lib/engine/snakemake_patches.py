"""All that is changed of Snakemake's own code. Nothing here changes what a job does.

Written for Snakemake 9.27.1. Three patches let it plan a study faster. benchmarks/README.md has the measurements
(`python -m benchmarks.scale`); a patch of these whose gain falls below 2 % of a dry run goes. Each one looks for what it changes
and leaves a Snakemake without it as it is.

patch              gain in a dry run of the embedded study,   of 3,000 jobs      when it may go
                   3.6 s of user time
rare_collections   0.6 s (six turns: 0.02 to 0.9), 17 %      0.55 s of 7.4 s    Snakemake freezes or defers collections itself
signed             0.08 s, 2,046 calls of signature(), 2 %   0.5 s, 7 %         Snakemake keeps the parameters of functions
keep_parsed_rules  0.35 s of the tiny study's 2.1 s, 17 %    as much at each start   Snakemake keeps what it has parsed

A fourth, `wake_for_a_reason`, is for runs: with 60 ready jobs of 2 s on two cores the scheduler looks 60 times at what may start instead of
1,740 times, with 2.7 s of processor time instead of 4.4. It may go when Snakemake waits for its rate limit only where that held jobs back.

Two gain no time by themselves. `name_holder` lets the error of a locked folder say who holds it; it may go when Snakemake's own
error names host and process. `count_forks` lets a job's benchmark measure the fork that does the job (job_server.py).
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from scripts.lib.engine.parsed_rules import ParsedRules

F = TypeVar("F", bound=Callable[..., Any])


def speed_up_planning() -> None:
    """Apply all patches of this file, once, before the first rule."""
    from snakemake.resources import Resource

    rare_collections()
    keep_parsed_rules()
    # Snakemake's own method that works out a resource: of each job it asks for the parameters of this one 16 times. They are
    # those of the method bound to its object, without `self`.
    signed(Resource.evaluate, inspect.signature(Resource("any", 0).evaluate).parameters)
    wake_for_a_reason()


def rare_collections() -> None:
    """Make searches for cycles rare, and leave out what is there already.

    A study of 10,000 jobs is a few million objects that live until the end, among which they find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def wake_for_a_reason() -> None:
    """Let the scheduler look again after the timespan of its rate limit only where the limit held jobs back.

    Snakemake asks for such a look after every look while jobs are ready, at any cause: so each finished job adds one more look a
    second, for good, and each look works out resources and parameters of all ready jobs anew.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    plain = getattr(JobScheduler, "_schedule_reevalutation", None)
    if plain is None:
        return

    def ask(self: Any, delay: float) -> None:
        limiter = self.job_rate_limiter
        if limiter is None or delay != limiter.timespan or not limiter.get_free_jobs():
            plain(self, delay)

    JobScheduler._schedule_reevalutation = ask


def keep_parsed_rules() -> None:
    """Let Snakemake parse a file of rules once, not at each start of a run or of a job on a cluster."""
    from snakemake import workflow

    parse = getattr(workflow, "parse", None)
    if parse is not None and not isinstance(parse, ParsedRules):
        workflow.parse = ParsedRules(parse)


def name_holder(line: Callable[[], str | None]) -> None:
    """Let Snakemake's error of a locked folder be the line that `line` returns; None leaves it as it is."""
    from snakemake import exceptions

    plain = exceptions.LockException.__init__

    def named(self: BaseException) -> None:
        plain(self)
        if told := line():
            self.args = (told,)

    exceptions.LockException.__init__ = named


class _WithForks:
    """A process as psutil shows it, whose children are also the jobs of a job server that these wait for."""

    def __init__(self, process: Any, forks: Path) -> None:
        self.process, self.forks = process, forks

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process, name)

    def children(self, recursive: bool = False) -> list[Any]:
        import psutil

        found = [self.process, *self.process.children(recursive=recursive)]  # a shell may have become its last command
        for process in found:  # those that are added too: a job may start another one
            with suppress(OSError, ValueError, psutil.Error):  # no caller, or its job has ended
                job = psutil.Process(int((self.forks / str(process.pid)).read_text()))
                found += [job, *job.children(recursive=True)]
        return found[1:]


def count_forks(folder: Path) -> None:
    """Let benchmarks of jobs measure what a job server, whose folder this is, does for them."""
    from snakemake.benchmark import BenchmarkTimer

    plain = BenchmarkTimer.__init__

    def begin(self: Any, *arguments: Any, **named: Any) -> None:
        plain(self, *arguments, **named)
        self.main = _WithForks(self.main, folder / "forks")

    BenchmarkTimer.__init__ = begin


def signed(function: F, parameters: Mapping[str, inspect.Parameter] | None = None) -> F:
    """Return the same function with its parameters at hand.

    Snakemake asks for them many times a job, and Python works them out anew each time. Snakemake has a way to be told them; a
    version without it asks as before.
    """
    import snakemake.common

    tell = getattr(snakemake.common, "overwrite_function_params", None)
    if tell is not None:
        tell(function, parameters or inspect.signature(function).parameters)
    return function
