"""The impression and the findings of a radiology report that is a plain text file, found as MIMIC-CXR's own section tool does.

Source: github.com/MIT-LCP/mimic-cxr, txt/section_parser.py, for what counts as a heading and which headings mean impression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

NO_IMPRESSION = "films whose report has no impression"
HEADING = re.compile(r"^[ \t]*([A-Z][A-Z ()/,&-]{2,60}):(?=\s|$)", re.MULTILINE)
# Beside every heading that holds the word, such as FINDINGS AND IMPRESSION or FINDINGS/IMPRESSION. The last ones are the
# slips that the tool knows.
IMPRESSION = frozenset(
    [
        "CONCLUSION",
        "CONCLUSIONS",
        "OPINION",
        "OPINIONS",
        "NDICATION",
        "MPRESSION",
        "IMPRESSON",
        "IMPRRESSION",
        "IMPRESSOIN",
        "IMPRSSION",
        "IMPRESION",
        "IMPERSSION",
        "IMPESSION",
        "IMORESSION",
    ]
)
FINDINGS = re.compile(r"^(FINDING|OBSERVATION)S?\b")


def impression(text: str) -> str | None:
    """Return the last impression section on one line, None when the report has none or it is empty."""
    return _last_section(text, _is_impression)


def _last_section(text: str, wanted: Callable[[str], bool]) -> str | None:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    headings = list(_headings(text))
    section = None
    for k, heading in enumerate(headings):
        if wanted(heading[1].strip()):
            end = headings[k + 1].start() if k + 1 < len(headings) else len(text)
            section = " ".join(text[heading.end() : end].split()) or section
    return section


def _headings(text: str) -> Iterator[re.Match[str]]:
    """Yield the headings; the line below one that stands alone is its text, even when it looks like one ("PA CHEST: ...")."""
    start = 0
    while heading := HEADING.search(text, start):
        yield heading
        start = _line_end(text, heading.end())
        if not text[heading.end() : start].strip():
            start = _line_end(text, start + 1)


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _is_impression(heading: str) -> bool:
    return "IMPRESSION" in heading or heading in IMPRESSION


def findings(text: str) -> str | None:
    """Return the last findings section on one line, None when there is none; one that is the impression too is no findings."""
    return _last_section(text, lambda heading: bool(FINDINGS.match(heading)) and not _is_impression(heading))
