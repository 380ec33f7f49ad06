"""Whose film it is, from a table beside the dataset: CSV with image_id and patient_id, or the mappings that RSNA published.

The films of the RSNA challenge are named by a `patientId` that is one of the film: 26,684 films belong to 11,439 patients
of NIH ChestX-ray14. RSNA's pneumonia-challenge-dataset-mappings_2018.json links the two: `subset_img_id` is the challenge's
name of a film, `img_id` (00000001_000.png) NIH's, whose digits before the underscore are the patient. Tables by hand that link
films with NIH have its file names, too; in a column of patients each would be a patient of its own, so they count as the patient.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json_list
from scripts.lib.formats.keys import Join
from scripts.lib.formats.record import Listing
from scripts.lib.formats.sources import table_path
from scripts.lib.formats.tables import Table

NO_ROW = "films that the table of patients does not name"
NIH_NAME = re.compile(r"(\d{8})_\d{3}(\.png)?")


def name_patients(listing: Listing, root: Path, name: str | None, encoding: str) -> None:
    """Give every record the patient that the table `name` below the root says; without a table nothing happens.

    Raises InputError for a table that cannot be read, or one that does not name most of the films.
    """
    if not name:
        return
    patients = read_patients(table_path(root, name), encoding)
    for record in listing.records:
        patient = patients.find(record.image_id, "")
        if patient:
            record.patient_id = patient
        else:
            record.notes.add(NO_ROW)
    patients.check("patients", "patients")


def read_patients(path: Path, encoding: str = "utf-8") -> Join[str]:
    """Return {image id: patient id} of a CSV table, or of RSNA's mappings where the name ends in .json."""
    if path.suffix.lower() == ".json":
        return _mappings(path)
    patients: Join[str] = Join(path, "image_id")
    for row in Table(path, ("image_id", "patient_id"), encoding).unique("image_id"):
        if not row["patient_id"]:
            raise InputError(f"{row.where}: column patient_id is empty; expected whose film it is")
        patients.add(row["image_id"], nih_patient(row["patient_id"]) or row["patient_id"])
    return patients


def nih_patient(name: str) -> str | None:
    """Return "00000001" of NIH's name of a film, 00000001_000.png, and None of any other text."""
    match = NIH_NAME.fullmatch(name.strip())
    return match[1] if match else None


def _mappings(path: Path) -> Join[str]:
    wanted = "a list of mappings from subset_img_id to img_id, as RSNA published it (reader.patients)"
    entries = read_json_list(path, wanted)
    if not entries:
        raise InputError(f"{path}: no entry; expected {wanted}")
    patients: Join[str] = Join(path, "subset_img_id")
    for number, entry in enumerate(entries, start=1):
        film, patient = _mapping(entry, f"{path} entry {number}")
        if patients.rows.get(film, patient) != patient:
            raise InputError(
                f"{path} entry {number}: {film} is of patient {patient}, but was of {patients.rows[film]} before"
            )
        patients.add(film, patient)
    return patients


def _mapping(entry: Any, where: str) -> tuple[str, str]:
    """Return the challenge's name of a film and NIH's number of its patient."""
    names = [entry.get(key) for key in ("subset_img_id", "img_id")] if isinstance(entry, dict) else []
    film, image = (name.strip() if isinstance(name, str) else "" for name in names or ("", ""))
    if not (film and image):
        raise InputError(f"{where}: expected the texts subset_img_id and img_id, got {str(entry)[:80]}")
    patient = nih_patient(image)
    if patient is None:
        raise InputError(f"{where}: img_id is {image[:40]!r}, expected one like 00000001_000.png")
    return film, patient
