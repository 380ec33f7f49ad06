"""What a gate says of a pool, and how it stops the trials of a pool that fails."""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.formats.csv_text import read_columns

FAILS, PASSES, UNDECIDED = "fails", "passes", "undecided"


def clear_pool(table: Path, out: Path, advice: str) -> None:
    """Write the verdict in the first row of a gate's table (.csv) to `out` (.txt).

    Raises InputError with the row's note and the `advice` where the pool fails.
    """
    row = read_columns(table, ["measure", "verdict", "note"]).iloc[0]
    if row["verdict"] == FAILS:
        raise InputError(f"{table}: {row['note']}; {advice}")
    with atomic_file(out) as path:
        path.write_text(f"{row['verdict']}: {row['note']}\n")
