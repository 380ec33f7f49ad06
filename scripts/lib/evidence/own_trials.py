"""A table of trials that somebody made elsewhere, read with nothing else of a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import read_table
from scripts.lib.formats.csv_text import read_text
from scripts.lib.study.tables import TRIALS

OWN: dict[str, Any] = {
    "dataset": "mine",
    "task": "classification",
    "metric": "score",
    "fraction": 1.0,
}  # of a table made elsewhere
# What a trial's numbers may be: whether each one is, and the words for it.
NOT_BELOW_0: tuple[Callable[[pd.Series], pd.Series], str] = (lambda values: values >= 0, "0 or more")
RANGES: dict[str, tuple[Callable[[pd.Series], pd.Series], str]] = {
    "fraction": (lambda values: (values > 0) & (values <= 1), "a share of the real films, more than 0 and at most 1"),
    **dict.fromkeys(("multiplier", "trial", "seed", "n_real", "n_synthetic"), NOT_BELOW_0),
    "value": (np.isfinite, "a finite number, or n/a"),
}


def read_own_trials(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a table of trials that somebody made elsewhere; return it with all columns of TRIALS, and what was assumed.

    Needed are `arm` (`real` is the one that the others are compared with), `trial` and `value`. Columns that are left out are
    OWN's: one dataset, one metric, all real films, and a multiplier of 1 for every arm but `real`. Raises InputError for a
    missing one of the three, where no arm is `real`, and for numbers that no trial has (RANGES).
    """
    text = read_text(path)
    if missing := [name for name in ("arm", "trial", "value") if name not in text]:
        raise InputError(f"{path}: columns {missing} are missing; expected arm, trial and value at least")
    if "real" not in set(text["arm"]):
        known = ", ".join(dict.fromkeys(text["arm"]))
        raise InputError(f"{path}: no row has arm = real, which the others are compared with; the arms are {known}")
    absent = [name for name in TRIALS if name not in text]
    table = read_table(path, [name for name in TRIALS if name in text])
    _check_ranges(path, table)
    for name in absent:
        table[name] = pd.Series(OWN.get(name, np.nan), index=table.index)
    if "multiplier" in absent:
        table["multiplier"] = (table["arm"] != "real").astype(int)
    if "seed" in absent:
        table["seed"] = table["trial"]
    return table[TRIALS], absent


def _check_ranges(path: Path, table: pd.DataFrame) -> None:
    """Raise InputError with the line of the first number of a trial that lies outside of its range."""
    for name, (fits, expected) in RANGES.items():
        if name in table and not (right := fits(table[name]) | table[name].isna()).all():
            row = int(np.flatnonzero(~right)[0])
            raise InputError(f"{path}: line {row + 2}: {name} = {table[name].iloc[row]:g}; expected {expected}")
