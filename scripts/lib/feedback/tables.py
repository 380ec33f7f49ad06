"""The tables of sets and of assignments, as the rating app is given them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet

SETS = ("set_id", "kind", "prompt", "condition_id", "films", "dataset")
ASSIGNMENTS = ("rater", "place", "set_id", "role", "order")


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table with these columns and one row at least; InputError where there is none."""
    advice = "make it with snakemake rated_sets (make rate)"
    table = read_parquet(path, "readable table", advice)
    if missing := [name for name in columns if name not in table]:
        raise InputError(f"{path}: no column {', '.join(missing)}, only {', '.join(map(str, table))}; {advice}")
    if not len(table):
        raise InputError(f"{path}: no rows; {advice}")
    return table
