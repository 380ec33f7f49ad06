"""Rows of Markdown tables whose cells may hold any text: labels, titles and notes are the user's."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What would begin a tag of HTML; "< 0.05" stays as it is.
TAG = re.compile(r"<(?=[A-Za-z/!?])")


def markdown_row(cells: Iterable[object]) -> str:
    """Return "| a | b |": each cell on one line, so that no cell ends its row, its column or the page."""
    return f"| {' | '.join(markdown_cell(str(cell)) for cell in cells)} |"


def markdown_cell(text: str) -> str:
    """Return a text that a table shows as it is."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return TAG.sub("&lt;", plain)
