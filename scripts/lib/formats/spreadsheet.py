"""Text from outside on its way into a CSV or TSV file: a spreadsheet must not take it for a formula."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Excel and LibreOffice take cells that begin so for formulas, also after blanks; Excel's older ones take the last three too.
FORMULA = re.compile(r"\s*[=+\-@\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def inert(text: str) -> str:
    """Return a cell that stays text: one that would begin a formula gets an apostrophe, as spreadsheets write it; numbers stay.

    Source: OWASP, CSV Injection.
    """
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text.strip()) else text


def inert_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every text of it inert; numbers and missing values stay."""
    texts = [str(column) for column in table if table[column].dtype.kind not in "biufcM"]
    cells = {column: [inert(cell) if isinstance(cell, str) else cell for cell in table[column]] for column in texts}
    return table.assign(**cells)
