"""The tables of a results folder as the page reads them: text for what it shows, numbers for what it reckons with.

Several studies may share a folder: one goes on from the models of another. A page speaks of its own study alone, so rows, tables
and pictures of datasets that this study does not have are left out, as if they were not there.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.formats.csv_text import ABSENT

# Pictures, and the tables that tell which datasets they are about.
PICTURED = {
    **{f"figure{number}.png": f"tables/figure{number}.csv" for number in (2, 3, 4)},
    **{f"{name}.png": f"tables/{name}.csv" for name in ("calibration", "equivalence", "failures", "replication")},
    "evidence.png": "tables/differences.csv",
}


class Tables:
    """The CSV tables of a results folder by name; a table that is not there is None, one without rows has none.

    datasets  those of the study, None for whatever lies there
    """

    def __init__(self, results: Path, datasets: Collection[str] | None = None) -> None:
        self.results, self.datasets = results, datasets
        self._read = cache(self._own_rows)

    def text(self, file: str) -> pd.DataFrame | None:
        """Return a table below results/ as text, None where none of this study lies there."""
        path = self.results / file
        return self._read(path) if path.is_file() and self._own_folder(file) else None

    def files(self, patterns: Sequence[str]) -> list[str]:
        """Return the files below results/ of this study that patterns name, in the order of the patterns, each once."""
        return [file for file in files_of(self.results, patterns) if self._own(file)]

    def _own(self, file: str) -> bool:
        table = file if file.endswith(".csv") else PICTURED.get(file)
        if table and (self.results / table).is_file() and self.text(table) is None:
            return False
        return self._own_folder(file)

    def _own_folder(self, file: str) -> bool:
        """Whether a file lies in the folder of a dataset of the study, or in that of no dataset."""
        first, below, _ = file.partition("/")
        return not (self.datasets is not None and below and (self.results / first / "cohort").is_dir()) or (
            first in self.datasets
        )

    def _own_rows(self, path: Path) -> pd.DataFrame | None:
        table = read_shown(path)
        if self.datasets is None or "dataset" not in table or not len(table):
            return table
        own = table[table["dataset"].isin([*self.datasets, *ABSENT])].reset_index(drop=True)
        return own if len(own) else None

    def get(self, name: str, needs: Sequence[str] = (), numbers: Sequence[str] = ()) -> pd.DataFrame | None:
        """Return results/tables/NAME.csv with these columns as numbers, NaN where they say n/a.

        Raises InputError for a table without a column of `needs` or `numbers`, or with other text where a number belongs.
        """
        table = self.text(f"tables/{name}.csv")
        return None if table is None else as_numbers(table, self.results / f"tables/{name}.csv", needs, numbers)


def files_of(results: Path, patterns: Sequence[str]) -> list[str]:
    """Return the files below results/ that patterns name, in the order of the patterns, each once."""
    paths = [path for pattern in patterns for path in sorted(results.glob(pattern)) if path.is_file()]
    return list(dict.fromkeys(str(path.relative_to(results)) for path in paths))


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
