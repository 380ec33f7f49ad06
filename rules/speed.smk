# What lets Snakemake plan a large study faster. Nothing here changes what a job does; benchmarks/README.md has the numbers.
import gc
import inspect
import sys

import snakemake.common
from snakemake.resources import Resource

# A study of 10,000 jobs is a few million objects that live until the end. Searches for cycles among them find nothing:
# leave out what is there already, and make the others rare.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 100)


def signed(function, parameters=None):
    """The same function with its parameters at hand: Snakemake asks for them many times a job, and Python works them out
    anew each time. Snakemake has a way to be told them; a version without it asks as before."""
    tell = getattr(snakemake.common, "overwrite_function_params", None)
    if tell is not None:
        tell(function, parameters or inspect.signature(function).parameters)
    return function


# Snakemake's own method that works out a resource: of each job it asks for the parameters of this one 16 times. They are
# those of the method bound to its object, without `self`.
signed(Resource.evaluate, inspect.signature(Resource("any", 0).evaluate).parameters)


def share_guards(containers):
    """One object in place of index() and one of sort() of all jobs' inputs, outputs, parameters, ...: Snakemake puts 22 of
    them in each job, all alike, so that a workflow that calls them is told not to."""
    guard = getattr(containers, "AttributeGuard", None)
    if guard is None:
        return

    class OneGuard(guard):
        made = {}

        def __new__(cls, name):
            return cls.made.get(name) or cls.made.setdefault(name, super().__new__(cls))

    containers.AttributeGuard = OneGuard


share_guards(sys.modules.get("snakemake.iocontainers"))
