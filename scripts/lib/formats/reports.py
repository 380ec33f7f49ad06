"""The impression and the findings of a radiology report that is a plain text file."""

from __future__ import annotations

import re

HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /&(),-]{2,60}):", re.MULTILINE)
IMPRESSION = re.compile(r"^(IMPRESSION|CONCLUSION|OPINION)S?\b")
FINDINGS = re.compile(r"^(FINDING|OBSERVATION)S?\b")


def impression(text: str) -> str | None:
    """Return the last impression section on one line, None when the report has none or it is empty."""
    headings = list(HEADING.finditer(text))
    found = None
    for k, heading in enumerate(headings):
        if IMPRESSION.match(heading[1].strip()):
            end = headings[k + 1].start() if k + 1 < len(headings) else len(text)
            found = " ".join(text[heading.end() : end].split()) or found
    return found


def findings(text: str) -> str | None:
    """Return the last findings section on one line, None when there is none; one that is the impression too is no findings."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    headings = list(HEADING.finditer(text))
    found = None
    for k, heading in enumerate(headings):
        if FINDINGS.match(heading[1].strip()) and "IMPRESSION" not in heading[1]:
            end = headings[k + 1].start() if k + 1 < len(headings) else len(text)
            found = " ".join(text[heading.end() : end].split()) or found
    return found
