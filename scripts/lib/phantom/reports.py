"""Radiology reports for phantom films: a FINDINGS and an IMPRESSION section from the planned findings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.lib.phantom.spec import FilmSpec, Finding

NORMAL = (
    "Normal.",
    "No acute cardiopulmonary process.",
    "Normal chest radiograph.",
    "No acute cardiopulmonary abnormality.",
)
CLEAR = (
    "The lungs are clear. The cardiomediastinal silhouette is normal. No pleural effusion or pneumothorax.",
    "Heart size is normal. Lungs are clear without focal consolidation. No effusion or pneumothorax is seen.",
    "Normal heart, lungs, hila, mediastinum and pleural surfaces.",
)
SENTENCES = {
    "atelectasis": "Linear {side} basal opacity with elevation of the {side} hemidiaphragm, in keeping with atelectasis.",
    "cardiomegaly": "The cardiac silhouette is {degree} enlarged.",
    "consolidation": "There is dense lobar consolidation in the {side} lung.",
    "edema": "Bilateral perihilar opacities are consistent with {degree} pulmonary edema.",
    "pleural effusion": "There is a {size} {side} pleural effusion with blunting of the costophrenic angle.",
    "pneumonia": "Patchy opacities in the {side} lung are concerning for pneumonia.",
    "pneumothorax": "There is a {size} {side} pneumothorax with a visible pleural line.",
    "rib fracture": "There is an acute fracture of a {side} lateral rib.",
    "chest tube": "A {side} chest tube is in place.",
}
PLACEHOLDERS = (
    "Comparison [DATE].",
    "Compared with the study of [DATE].",
    "Discussed with [PERSONALNAME].",
    "Ref [ALPHANUMERICID].",
)


@dataclass(frozen=True)
class FilmReport:
    """The two sections of a report."""

    findings: str
    impression: str


def words(finding: Finding) -> dict[str, str]:
    """Return the words that a sentence about `finding` may use: its side and how large it is."""
    grade = min(2, int(finding.severity * 3))
    return {
        "side": finding.side or "",
        "size": ("small", "moderate", "large")[grade],
        "degree": ("mildly", "moderately", "severely")[grade]
        if finding.name == "cardiomegaly"
        else ("mild", "moderate", "severe")[grade],
    }


def short_form(finding: Finding, stream: np.random.Generator) -> str:
    """Return a phrase for the impression: mostly the bare name or side and name, now and then with its size."""
    word, draw = words(finding), stream.random()
    named = f"{word['side']} {finding.name}".strip()
    if draw < 0.45:
        return finding.name
    if draw < 0.85:
        return named
    if finding.name in {"pleural effusion", "pneumothorax"}:
        return f"{word['size']} {named}"
    return f"findings consistent with {named}"


def sentence_case(text: str) -> str:
    """Return `text` with a capital first letter and a full stop."""
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def write_report(spec: FilmSpec, stream: np.random.Generator) -> FilmReport:
    """Return the report of a visit; a visit without findings is called normal."""
    if not spec.findings:
        shares = np.array([0.5, 0.3, 0.1, 0.1])
        return FilmReport(CLEAR[int(stream.integers(len(CLEAR)))], NORMAL[int(stream.choice(len(NORMAL), p=shares))])
    findings = " ".join(SENTENCES[finding.name].format(**words(finding)) for finding in spec.findings)
    rest = " No pneumothorax is seen." if spec.finding("pneumothorax") is None and stream.random() < 0.4 else ""
    phrases = [short_form(finding, stream) for finding in spec.findings]
    if len(phrases) > 1 and stream.random() < 0.4:
        impression = " ".join(f"{k}. {sentence_case(phrase)}" for k, phrase in enumerate(phrases, start=1))
    else:
        impression = sentence_case(" and ".join(phrases) if len(phrases) < 3 else ", ".join(phrases))
    return FilmReport(findings + rest, impression)


def as_text(report: FilmReport, reason: str = "Evaluate for acute process.") -> str:
    """Return the report as one text file with the headings of a real one."""
    return (
        "                                 FINAL REPORT\n"
        f" EXAMINATION:  CHEST RADIOGRAPH\n \n INDICATION:  {reason}\n \n COMPARISON:  None.\n \n"
        f" FINDINGS: \n \n {report.findings}\n \n IMPRESSION: \n \n {report.impression}\n"
    )


def as_note(report: FilmReport, stream: np.random.Generator) -> str:
    """Return the report as one line whose names and dates were replaced by placeholders."""
    lead = (
        f"CHEST X-RAY [DATE]. {PLACEHOLDERS[int(stream.integers(len(PLACEHOLDERS)))]} " if stream.random() < 0.6 else ""
    )
    return f"{lead}{report.findings} Impression: {report.impression}"
