"""Tables as the page shows them: numbers rounded to be read, empty columns left out, long tables cut with a word about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from scripts.lib.formats.csv_text import ABSENT
from scripts.lib.reporting.codebook import COLUMNS
from scripts.lib.reporting.codebook import TABLES as OF_TABLE
from scripts.lib.reporting.page.tables import Tables
from scripts.lib.reporting.page.words import MINUS
from scripts.lib.reporting.study_pages import TABLES

MOST_ROWS = 400  # of one table in the page
MOST_CELLS = 12_000
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?", re.I)


@dataclass(frozen=True)
class ShownCell:
    """A cell: `text` is shown, `exact` is the table's own text, by which numbers are sorted."""

    text: str
    exact: str


@dataclass(frozen=True)
class ShownTable:
    """A table in the page: `numeric` says which columns hold numbers; `left_out` columns say nothing, `total` rows there are.

    about  what one row is, "" where nothing is known of the table
    """

    file: str
    anchor: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[ShownCell, ...], ...]
    total: int
    left_out: tuple[str, ...]
    about: str


def shown(tables: Tables, file: str) -> ShownTable | None:
    """Return a table below results/ for the page, None where it is not there."""
    table = tables.text(file)
    if table is None:
        return None
    empty = [str(name) for name in table if len(table) and all(map(_is_absent, table[name]))]
    kept = table.drop(columns=empty)
    most = min(MOST_ROWS, max(1, MOST_CELLS // max(1, kept.shape[1])))
    rows = tuple(tuple(cell(text) for text in row) for row in kept.head(most).itertuples(index=False, name=None))
    return ShownTable(
        file,
        anchor_of(file),
        tuple(str(name) for name in kept.columns),
        tuple(is_numeric(kept[name]) for name in kept),
        rows,
        len(table),
        tuple(empty),
        TABLES.get(PurePosixPath(file).stem, ""),
    )


def meanings(table: ShownTable) -> list[tuple[str, str]]:
    """Return (column, meaning with unit) of the columns of a table that the codebook knows."""
    described = {**COLUMNS, **OF_TABLE.get(PurePosixPath(table.file).stem, {})}
    known = [(name, described[name]) for name in table.columns if name in described]
    return [(name, f"{meaning}{f' ({unit})' if unit else ''}") for name, (meaning, unit, _) in known]


def cell(text: str) -> ShownCell:
    """Return a cell: numbers with more than four digits behind the point are shown with three significant ones."""
    text = text.strip()
    if NUMBER.fullmatch(text) and ("." in text or "e" in text.lower()):
        value = float(text)
        said = f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"
        if abs(value) >= 1000:
            said = f"{value:,.0f}"
        return ShownCell(said.replace("-", MINUS), text)
    return ShownCell(text.replace("-", MINUS) if NUMBER.fullmatch(text) else text, text)


def is_numeric(column: pd.Series) -> bool:
    """Whether a column of text holds numbers, beside cells that are absent."""
    known = [text for text in column if not _is_absent(text)]
    return bool(known) and all(NUMBER.fullmatch(text.strip()) for text in known)


def _is_absent(text: str) -> bool:
    return text.strip().lower() in ABSENT


def anchor_of(file: str) -> str:
    """Return the anchor of a file: tables/power.csv is "file-tables-power"."""
    return "file-" + re.sub(r"[^a-z0-9]+", "-", str(PurePosixPath(file).with_suffix("")).lower()).strip("-")
