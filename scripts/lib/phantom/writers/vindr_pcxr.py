"""VinDr-PCXR: 12-bit DICOM films of children without a patient's identifier, a table of diseases and one of boxes a split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scripts.lib.core.seeds import content_hash
from scripts.lib.phantom.spec import Film, FilmSpec
from scripts.lib.phantom.writers.dicom import odd_kind, write_dicom
from scripts.lib.phantom.writers.tree import Tree, write_table

DISEASES = (
    *("No finding", "Bronchitis", "Brocho-pneumonia", "Other disease", "Bronchiolitis", "Situs inversus", "Pneumonia"),
    *("Pleuro-pneumonia", "Diagphramatic hernia", "Tuberculosis", "Congenital emphysema", "CPAM"),
    *("Hyaline membrane disease", "Mediastinal tumor", "Lung tumor"),
)
BOX_COLUMNS = ("image_id", "rad_ID", "class_name", "x_min", "y_min", "x_max", "y_max")
BOX_NAMES = {"cardiomegaly": "Cardiomegaly", "pleural effusion": "Pleural effusion"}
READERS = ("R1", "R2", "R3")
TONE = 0.8  # exponent of this scanner's tone curve: its films are brighter in the lungs than those of the other set


def image_id(key: int, spec: FilmSpec) -> str:
    """Return a name of 32 hex digits, as the real films have."""
    return content_hash(key, "vindr-pcxr", spec.patient.number, spec.study, digits=32)


def disease_of(spec: FilmSpec, key: int) -> str:
    """Return the disease of a film: one of three names of pneumonia, another disease, or none."""
    if spec.finding("pneumonia"):
        names = ("Pneumonia", "Brocho-pneumonia", "Pleuro-pneumonia")
        return names[int(content_hash(key, "disease", spec.seed), 16) % len(names)]
    return "Other disease" if spec.findings else "No finding"


def box_rows(name: str, reader: str, spec: FilmSpec, film: Film) -> list[list[object]]:
    """Return a row a finding with its box, or one row "No finding" with empty corners."""
    rows: list[list[object]] = [
        [name, reader, "Consolidation", x, y, x + width, y + height] for x, y, width, height in film.boxes
    ]
    lungs = film.masks["lungs"]
    ys, xs = np.nonzero(lungs)
    frame = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]
    rows += [[name, reader, BOX_NAMES[finding.name], *frame] for finding in spec.findings if finding.name in BOX_NAMES]
    return rows or [[name, reader, "No finding", None, None, None, None]]


def toned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the film under this scanner's tone curve."""
    return np.round(255.0 * (image / 255.0) ** TONE).astype(np.uint8)


def write_tree(tree: Tree) -> None:
    """Draw and write every film and the four tables under `tree.root`."""
    labels: dict[str, list[list[object]]] = {"train": [], "test": []}
    boxes: dict[str, list[list[object]]] = {"train": [], "test": []}
    for spec in tree.track(tree.films):
        part = "train" if spec.split == "train" else "test"
        name, film = image_id(tree.key, spec), tree.draw(spec)
        if spec.seed not in tree.missing:
            kind = odd_kind(tree.stream(spec, "file"), tree.settings["odd_files"], "twelve-bit")
            path = tree.root / part / f"{name}.dicom"
            write_dicom(path, toned(film.image), spec, tree.identity(spec, ""), kind)
        if spec.seed in tree.unlisted:
            continue
        reader = READERS[spec.patient.number % len(READERS)]
        shown = disease_of(spec, tree.key)
        labels[part].append([name, reader, *(int(disease == shown) for disease in DISEASES)])
        boxes[part] += box_rows(name, reader, spec, film)
    for part in labels:
        write_table(tree.root / f"image_labels_{part}.csv", ("image_id", "rad_ID", *DISEASES), labels[part])
        write_table(tree.root / f"annotations_{part}.csv", BOX_COLUMNS, boxes[part])
