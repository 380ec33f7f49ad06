"""The word PHANTOM on what is made of phantom films: they are drawn by the workflow and are no evidence about patients.

The Snakefile says in the environment of its jobs which datasets of the study are phantoms, as the configuration has it; a
dataset that becomes a real one is prepared anew, and all that follows with it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

VARIABLE = "SYNTHORAX_PHANTOM"
WORD = "PHANTOM"
LINE = "PHANTOM: films drawn by the workflow, no evidence about patients"
ALL = "all"  # in a column of datasets: a row about all datasets of the table
COLUMN = "origin"  # of a table: whether a row is about phantom films or real ones


def say_phantoms(config: Mapping[str, Any], used: Iterable[str]) -> None:
    """Tell the jobs of this process which datasets are phantoms."""
    names = [name for name in used if config["datasets"][name]["root"] == WORD.lower()]
    os.environ[VARIABLE] = ",".join(names)


def phantoms() -> list[str]:
    """Return the datasets of the study that are phantoms; none outside of a study."""
    return [name for name in os.environ.get(VARIABLE, "").split(",") if name]


def films_of(datasets: Iterable[str], known: Collection[str]) -> list[str]:
    """Return for each dataset what its films are: PHANTOM or real. The name ALL stands for the others: real if all of them are."""
    names = list(datasets)
    drawn = {*known, *([ALL] if known and any(name in known for name in names) else [])}
    return [WORD if name in drawn else "real" for name in names]


def mark() -> str:
    """Return what a heading of a picture begins with: "PHANTOM: " in a study with phantom films, "" in others."""
    return f"{WORD}: " if phantoms() else ""
