"""RSNA pneumonia challenge: JPEG-compressed DICOM files by patient, boxes of pneumonia, and three classes of films."""

from __future__ import annotations

import json
from typing import Any

from scripts.lib.core.seeds import content_hash
from scripts.lib.phantom.spec import Film, FilmSpec
from scripts.lib.phantom.writers.dicom import write_dicom
from scripts.lib.phantom.writers.tree import Tree, write_table

LABEL_COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
CLASS_COLUMNS = ("patientId", "class")
MAPPINGS = "pneumonia-challenge-dataset-mappings_2018.json"


def patient_id(key: int, number: int, study: int) -> str:
    """Return an identifier in the form of a UUID; each visit has its own, as in the challenge."""
    digits = content_hash(key, "rsna", number, study, digits=32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def class_of(spec: FilmSpec) -> str:
    """Return the challenge's class: pneumonia, normal, or something else."""
    if spec.finding("pneumonia"):
        return "Lung Opacity"
    return "No Lung Opacity / Not Normal" if spec.findings else "Normal"


def label_rows(name: str, film: Film, spec: FilmSpec) -> list[list[object]]:
    """Return one row a box, or one row with blank boxes."""
    if not spec.finding("pneumonia"):
        return [[name, None, None, None, None, 0]]
    return [[name, *(f"{value:.1f}" for value in box), 1] for box in film.boxes]


def mapping(name: str, spec: FilmSpec, study_uid: str) -> dict[str, Any]:
    """Return the entry that links a film of the challenge with its name in NIH ChestX-ray14, which begins with the patient."""
    labels = [finding.name.title() for finding in spec.findings] or ["No Finding"]
    number = f"{spec.patient.number:08d}_{spec.study - 1:03d}.png"
    return {"subset_img_id": name, "img_id": number, "orig_labels": labels, "StudyInstanceUID": study_uid}


def write_tree(tree: Tree) -> None:
    """Draw and write every film, the three tables, and RSNA's list of the films' patients under `tree.root`."""
    labels, classes, unlabelled, mappings = [], [], [], []
    for spec in tree.track(tree.films):
        name = patient_id(tree.key, spec.patient.number, spec.study)
        part = "train" if spec.split == "train" else "test"
        film, identity = tree.draw(spec), tree.identity(spec, name)
        mappings.append(mapping(name, spec, identity.study_uid))
        if spec.seed not in tree.missing:
            path = tree.root / f"stage_2_{part}_images" / f"{name}.dcm"
            write_dicom(path, film.image, spec, identity, "jpeg")
        if part == "test":
            unlabelled.append([name, "0.5 0 0 100 100"])
        elif spec.seed not in tree.unlisted:
            rows = label_rows(name, film, spec)
            labels += rows
            classes += [[name, class_of(spec)]] * len(rows)
    write_table(tree.root / "stage_2_train_labels.csv", LABEL_COLUMNS, labels)
    write_table(tree.root / "stage_2_detailed_class_info.csv", CLASS_COLUMNS, classes)
    write_table(tree.root / "stage_2_sample_submission.csv", ("patientId", "PredictionString"), unlabelled)
    (tree.root / MAPPINGS).write_text(json.dumps(mappings, indent=1) + "\n", encoding="utf-8")
