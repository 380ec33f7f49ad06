"""Reading a table of the workflow: what cannot be read is one line, with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from scripts.lib.core.errors import InputError


def read_parquet(path: Path, what: str, advice: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a parquet table, or these columns of it.

    Raises InputError, "PATH: not a WHAT (reason); ADVICE", for a file that is missing or damaged, or lacks a column.
    """
    try:
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a {what} ({reason}); {advice}") from None
