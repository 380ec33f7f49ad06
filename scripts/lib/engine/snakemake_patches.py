"""All that is changed of Snakemake's own code. Nothing here changes what a job does.

Written for Snakemake 9.27.1. Two patches let it plan a large study faster. benchmarks/README.md has the measurements
(`python -m benchmarks.scale`); a patch of these whose gain falls below 2 % of a dry run goes. Each one looks for what it changes
and leaves a Snakemake without it as it is.

patch              gain in a dry run of the embedded study,   of 3,000 jobs      when it may go
                   3.6 s of user time
rare_collections   0.6 s (six turns: 0.02 to 0.9), 17 %      0.55 s of 7.4 s    Snakemake freezes or defers collections itself
signed             0.08 s, 2,046 calls of signature(), 2 %   0.5 s, 7 %         Snakemake keeps the parameters of functions

The third gains no time: `name_holder` lets the error of a locked folder say who holds it. It may go when Snakemake's own error
names host and process.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def speed_up_planning() -> None:
    """Apply all patches of this file, once, before the first rule."""
    from snakemake.resources import Resource

    rare_collections()
    # Snakemake's own method that works out a resource: of each job it asks for the parameters of this one 16 times. They are
    # those of the method bound to its object, without `self`.
    signed(Resource.evaluate, inspect.signature(Resource("any", 0).evaluate).parameters)


def rare_collections() -> None:
    """Make searches for cycles rare, and leave out what is there already.

    A study of 10,000 jobs is a few million objects that live until the end, among which they find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def name_holder(line: Callable[[], str | None]) -> None:
    """Let Snakemake's error of a locked folder be the line that `line` returns; None leaves it as it is."""
    from snakemake import exceptions

    plain = exceptions.LockException.__init__

    def named(self: BaseException) -> None:
        plain(self)
        if told := line():
            self.args = (told,)

    exceptions.LockException.__init__ = named


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
