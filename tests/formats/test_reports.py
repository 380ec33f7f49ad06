"""The impression and the findings of a report, cut out of its text."""

from __future__ import annotations

import pytest

from scripts.lib.formats.reports import findings, impression


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" FINAL REPORT\n FINDINGS: Clear.\n\n IMPRESSION:\n No acute\n process.\n", "No acute process."),
        ("IMPRESSION: One.\nADDENDUM: later", "One."),
        ("FINDINGS: Clear. IMPRESSION of calm\n", None),
        ("IMPRESSION:\n\n", None),
        ("", None),
    ],
)
def test_impression_of_a_report(text: str, found: str | None) -> None:
    assert impression(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" FINDINGS: \n \n Lungs are\n clear.\n \n IMPRESSION: \n \n Normal.\n", "Lungs are clear."),
        ("FINDINGS:\r\nClear.\r\n\r\nIMPRESSION: Normal.", "Clear."),
        ("FINDING: One.\nOBSERVATIONS: Two.", "Two."),
        ("FINDINGS AND IMPRESSION: Normal.", None),
        ("FINDINGS:\n\nIMPRESSION: Normal.", None),
        ("Clear lungs.", None),
    ],
)
def test_findings_of_a_report(text: str, found: str | None) -> None:
    assert findings(text) == found
