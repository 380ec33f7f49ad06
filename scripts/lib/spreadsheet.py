"""Text from outside on its way into a CSV or TSV file: a spreadsheet must not take it for a formula."""

from __future__ import annotations

import re

# Excel and LibreOffice take cells that begin so for formulas, also after blanks; Excel's older ones take the last three too.
FORMULA = re.compile(r"\s*[=+\-@\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def inert(text: str) -> str:
    """Return a cell that stays text: one that would begin a formula gets an apostrophe, as spreadsheets write it; numbers stay.

    Source: OWASP, CSV Injection.
    """
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text.strip()) else text
