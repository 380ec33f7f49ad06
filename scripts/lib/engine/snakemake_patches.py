"""What lets Snakemake plan a large study faster. Nothing here changes what a job does.

Written for Snakemake 9.27.1. benchmarks/README.md has the measurements (`python -m benchmarks.scale`); a patch whose gain falls
below 2 % of a dry run goes. Each one looks for what it changes and leaves a Snakemake without it as it is.

patch                 gain                                             when it may go
rare_collections      0.55 s of the 7.4 s of 3,000 jobs                Snakemake freezes or defers collections itself
signed                0.5 s of the same (Resource.evaluate alone)      Snakemake caches the parameters of functions
share_guards          0.6 s and 11 MB of the 14 s of 9,790 jobs        a Namedlist no longer makes its guards anew
"""

from __future__ import annotations

import gc
import inspect
import sys
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
    share_guards(sys.modules.get("snakemake.iocontainers"))


def rare_collections() -> None:
    """Make searches for cycles rare, and leave out what is there already.

    A study of 10,000 jobs is a few million objects that live until the end, among which they find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


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


def share_guards(containers: Any) -> None:
    """Make one object in place of index() and one of sort() of all jobs' inputs, outputs, parameters ...

    Snakemake puts 22 of them in each job, all alike, so that a workflow that calls them is told not to.
    """
    guard = getattr(containers, "AttributeGuard", None)
    if guard is None:
        return

    class OneGuard(guard):  # type: ignore[misc, valid-type]
        made: dict[str, Any] = {}

        def __new__(cls, name: str) -> Any:
            return cls.made.get(name) or cls.made.setdefault(name, super().__new__(cls))

    containers.AttributeGuard = OneGuard
