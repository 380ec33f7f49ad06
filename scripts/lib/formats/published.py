"""Tables of public datasets that a format of their own reads: known by their columns."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.lib.formats.columns import plain_name

# Columns, as plain_name writes them, that stand together in no other dataset's table.
COLUMNS = {
    "chexpert": ("path", "frontal_lateral", "ap_pa"),
    "rsna": ("patientid", "x", "y", "width", "height", "target"),
    "siim": ("imageid", "encodedpixels"),
    "mimic": ("dicom_id", "study_id", "subject_id"),
    "vindr-cxr or vindr-pcxr": ("image_id", "rad_id", "class_name", "x_min"),
}
FILMS_AS_PATIENTS = ("rsna",)  # whose column of patients names films


def published_as(columns: Sequence[str]) -> str:
    """Return the format that reads a table of these columns as it is published, "" where none does.

    >>> published_as(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "Edema"])
    'chexpert'
    """
    plain = {plain_name(column) for column in columns}
    return next((name for name, wanted in COLUMNS.items() if plain.issuperset(wanted)), "")
