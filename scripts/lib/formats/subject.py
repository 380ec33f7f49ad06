"""What a DICOM header says of what is in the picture and how it lies: noted where it does not fit a chest film.

Notes alone: many writers put anything into these fields.
"""

from __future__ import annotations

import re

from scripts.lib.formats.record import Notes

TURNED = "films that lie mirrored or upside down, as their header says (PatientOrientation)"
OTHER_PART = "films whose header names another part of the body than the chest (BodyPartExamined)"
NO_FILM = "pictures whose header says that they are no X-ray films (Modality)"
# Words for the chest in languages of devices; a field without one of them, and not empty, names another part.
CHEST = ("CHEST", "THORA", "TORA", "LUNG", "RIB", "CXR", "PECHO", "POUMON", "STERN", "HEART", "TRUNK", "WHOLE")
NO_WORD = frozenset({"", "UNKNOWN", "OTHER", "NA", "N/A", "NONE"})
# Defined terms of Modality (PS3.3 C.7.3.1.1.1) for pictures that are made in another way.
ELSEHOW = frozenset(
    {"CT", "MR", "US", "NM", "PT", "MG", "ES", "GM", "SM", "XC", "OP", "OCT", "IVUS", "BDUS", "ECG", "SR"}
)


def note_subject(notes: Notes, orientation: str, part: str, modality: str) -> None:
    """Count what PatientOrientation (as text, e.g. "['L', 'F']"), BodyPartExamined and Modality say against a chest film."""
    notes[TURNED] += _is_turned(orientation)
    words = part.strip().upper()
    notes[OTHER_PART] += words not in NO_WORD and not any(word in words for word in CHEST)
    notes[NO_FILM] += modality.strip().upper() in ELSEHOW


def _is_turned(orientation: str) -> bool:
    """Whether rows run to the patient's right, or columns to the head (PS3.3 C.7.6.1.1.1); readers see L and F (or A, P)."""
    words = re.findall(r"[A-Z]+", orientation.upper())
    return len(words) == 2 and (words[0].startswith("R") or words[1].startswith("H"))
