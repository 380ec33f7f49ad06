"""The impression of a radiology report that is a plain text file."""

from __future__ import annotations

import re

HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /&(),-]{2,60}):", re.MULTILINE)
IMPRESSION = re.compile(r"^(IMPRESSION|CONCLUSION|OPINION)S?\b")


def impression(text: str) -> str | None:
    """Return the last impression section on one line, None when the report has none or it is empty."""
    headings = list(HEADING.finditer(text))
    found = None
    for k, heading in enumerate(headings):
        if IMPRESSION.match(heading[1].strip()):
            end = headings[k + 1].start() if k + 1 < len(headings) else len(text)
            found = " ".join(text[heading.end() : end].split()) or found
    return found
