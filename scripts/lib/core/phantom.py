"""The word PHANTOM on what is made of phantom films: they are drawn by the workflow and are no evidence about patients.

The Snakefile says in the environment of its jobs which datasets of the study are phantoms, as the configuration has it; a
dataset that becomes a real one is prepared anew, and all that follows with it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

VARIABLE = "SYNTHORAX_PHANTOM"
WORD = "PHANTOM"
LINE = "PHANTOM: films drawn by the workflow, no evidence about patients"
ALL = "all"  # in a column of datasets: a row about all datasets of the table
COLUMN = "origin"  # of a table: whether a row is about phantom films or real ones


def say_phantoms(config: Mapping[str, Any], used: Iterable[str]) -> None:
    """Tell the jobs of this process which datasets are phantoms."""
    names = [name for name in used if config["datasets"][name]["root"] == WORD.lower()]
    os.environ[VARIABLE] = ",".join(names)


def say_phantoms_of(config: Mapping[str, Any], used: Iterable[str], results: Path) -> None:
    """Tell this process, which no Snakefile started, which datasets of finished results are phantoms.

    Both have to say so, the configuration and the raw films that were drawn below `results`: a study's overlays may not be given.
    """
    say_phantoms(config, [name for name in used if (results / WORD.lower() / f"{name}.json").exists()])


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


def origin_line() -> str:
    """Return what a page says of its pictures: LINE in a study with phantom films, "" in others."""
    return LINE if phantoms() else ""


def told_origin() -> dict[str, str]:
    """Return {origin: PHANTOM} for the notes of what was made of phantom films, {} for others."""
    return {COLUMN: WORD} if phantoms() else {}


def with_origin(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of pictures that people judge, with the column `origin` in a study with phantom films: PHANTOM in all rows.

    The column is about the study, so that it tells nothing of a single picture.
    """
    return table.assign(**told_origin())


def origin_of(table: pd.DataFrame) -> str:
    """Return what the page of such a table says of its pictures, as `origin_line`; "" where the table has no such column."""
    return LINE if COLUMN in table and (table[COLUMN] == WORD).any() else ""
