"""How old files are: when the newest trial ended, and tables that were made before what they are made of.

The report does not wait for these tables, so they may speak of an earlier run; then it says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from scripts.lib.reporting.page.tables import Tables
from scripts.lib.study.arms import REAL

ANY = "*"
# Of a cell: dataset, arm, fraction.
TRIALS = "{}/trials/{}/fraction-{}/trial-*.parquet"
POOLS = "{}/pools/{}/fraction-{}/shard-*/images.npy"
# Tables that the report does not wait for: what they are made of, and what renews them.
MADE_OF = {
    **{
        f"tables/{name}.csv": (TRIALS, "trials")
        for name in ("equivalence", "subgroups", "calibration", "failures", "replication")
    },
    **{f"tables/{name}.csv": (POOLS, "pools") for name in ("fidelity", "memorisation", "faithfulness")},
}


def date_of(results: Path) -> str:
    """Return the day (UTC) on which the newest trial ended, as 2025-11-27; "" without trials."""
    newest = _newest(results.glob(TRIALS.format(ANY, ANY, ANY)))
    return datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d") if newest else ""


def outdated(tables: Tables, files: Sequence[str]) -> str:
    """Return a sentence on those of some tables that are older than what they are made of, "" where there are none.

    A table is made of the cells that it has rows of: other arms, such as those of Figures 3 and 4, may well be newer.
    """
    for file in files:
        pattern, what = MADE_OF.get(file, ("", ""))
        if not pattern or (table := tables.text(file)) is None:
            continue
        made_of = (found for cell in _cells(table) for found in tables.results.glob(pattern.format(*cell)))
        if _newest(made_of) > (tables.results / file).stat().st_mtime:
            return f"{file} is older than the newest {what} and may speak of an earlier run: make it again."
    return ""


def _cells(table: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Return dataset, arm and fraction of each cell that a table has rows of, and of the real films beside it.

    * stands for a column that the table lacks, and for all of them where it has no row.
    """
    columns = [table[name] if name in table else [ANY] * len(table) for name in ("dataset", "arm", "fraction")]
    cells = set(zip(*columns)) or {(ANY, ANY, ANY)}
    return cells | {(dataset, REAL, fraction) for dataset, _, fraction in cells}


def _newest(files: Iterable[Path]) -> float:
    return max((file.stat().st_mtime for file in files), default=0.0)
