"""CheXpert-v1.0-small: JPEG files by patient, study and view; train.csv from a labeller, valid.csv from a panel."""

from __future__ import annotations

from scripts.lib.phantom.spec import FilmSpec
from scripts.lib.phantom.writers.dicom import jpeg_bytes
from scripts.lib.phantom.writers.labels import CHEXPERT_ORDER, consensus_values, labeller_values
from scripts.lib.phantom.writers.tree import Tree, write_table

EDITION = "CheXpert-v1.0-small"
COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT_ORDER)
FIRST_VALID_PATIENT = 64541


def film_path(spec: FilmSpec, train_patients: int) -> str:
    """Return the Path of a film; patients of valid.csv are numbered from 64541 on, as in the real set."""
    train = spec.split == "train"
    number = spec.patient.number if train else FIRST_VALID_PATIENT + spec.patient.number - train_patients - 1
    view = "lateral" if spec.view == "LATERAL" else "frontal"
    part = "train" if train else "valid"
    return f"{EDITION}/{part}/patient{number:05d}/study{spec.study}/view{spec.view_number}_{view}.jpg"


def film_row(tree: Tree, spec: FilmSpec, path: str) -> list[object]:
    """Return the row of train.csv or valid.csv for one film."""
    frontal = spec.view != "LATERAL"
    if spec.split == "train":
        stream = tree.visit_stream(spec, "labels")
        values = labeller_values(spec, CHEXPERT_ORDER, tree.settings["uncertain"], stream)
    else:
        values = consensus_values(spec, CHEXPERT_ORDER)
    sex = {"F": "Female", "M": "Male"}[spec.patient.sex]
    return [path, sex, spec.patient.age, "Frontal" if frontal else "Lateral", spec.view if frontal else None, *values]


def write_tree(tree: Tree) -> None:
    """Draw and write every film and both tables under `tree.root`."""
    rows: dict[str, list[list[object]]] = {"train": [], "valid": []}
    for spec in tree.track(tree.films):
        path = film_path(spec, tree.settings["patients"])
        if spec.seed not in tree.missing:
            file = tree.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(jpeg_bytes(tree.draw(spec).image))
        if spec.seed not in tree.unlisted:
            rows["train" if spec.split == "train" else "valid"].append(film_row(tree, spec, path))
    for part, lines in rows.items():
        write_table(tree.root / EDITION / f"{part}.csv", COLUMNS, lines)
