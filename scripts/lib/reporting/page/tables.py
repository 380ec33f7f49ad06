"""The tables of a results folder as the page reads them: text for what it shows, numbers for what it reckons with."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.formats.csv_text import ABSENT


class Tables:
    """The CSV tables of a results folder by name; a table that is not there is None, one without rows has none."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._read = cache(read_shown)

    def text(self, file: str) -> pd.DataFrame | None:
        """Return a table below results/ as text, None where it does not lie there."""
        path = self.results / file
        return self._read(path) if path.is_file() else None

    def get(self, name: str, needs: Sequence[str] = (), numbers: Sequence[str] = ()) -> pd.DataFrame | None:
        """Return results/tables/NAME.csv with these columns as numbers, NaN where they say n/a.

        Raises InputError for a table without a column of `needs` or `numbers`, or with other text where a number belongs.
        """
        table = self.text(f"tables/{name}.csv")
        return None if table is None else as_numbers(table, self.results / f"tables/{name}.csv", needs, numbers)


def read_shown(path: Path) -> pd.DataFrame:
    """Return a CSV as text; unlike other readers it takes a table without rows. Raises InputError for what is no table."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = [row for row in csv.reader(stream, strict=True) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV table ({error}); make it again") from None
    except ValueError:
        raise InputError(f"{path}: not a CSV table (it is empty); make it again") from None
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{path}: line {line} has {len(row)} fields, the header {len(header)}; make it again")
    return pd.DataFrame(rows, columns=header, dtype=str)


def as_numbers(table: pd.DataFrame, path: Path, needs: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Return a copy of a table of text with some columns as numbers; raises InputError as `Tables.get` says."""
    if missing := [name for name in (*needs, *numbers) if name not in table]:
        raise InputError(f"{path}: no column {', '.join(missing)}; the report needs it: make the table again")
    converted = table.copy()
    for name in numbers:
        cells = table[name].str.strip()
        absent = cells.str.lower().isin(ABSENT)
        values = pd.to_numeric(cells.where(~absent), errors="coerce")
        if len(wrong := table.index[values.isna() & ~absent]):
            row = int(wrong[0])
            raise InputError(
                f"{path}: line {row + 2}, column {name}: {cells[row]!r} is no number; make the table again"
            )
        converted[name] = values.astype(float)
    return converted
