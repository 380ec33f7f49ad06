"""The fourteen CheXpert labels of a film, as a report labeller or a panel of readers writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scripts.lib.phantom.spec import FilmSpec

CHEXPERT_ORDER = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
BY_FINDING = {
    "atelectasis": ("Atelectasis", "Lung Opacity"),
    "cardiomegaly": ("Cardiomegaly", "Enlarged Cardiomediastinum"),
    "consolidation": ("Consolidation", "Lung Opacity"),
    "edema": ("Edema", "Lung Opacity"),
    "pleural effusion": ("Pleural Effusion",),
    "pneumonia": ("Pneumonia", "Lung Opacity"),
    "pneumothorax": ("Pneumothorax",),
    "rib fracture": ("Fracture",),
    "chest tube": ("Support Devices",),
}


def present_labels(spec: FilmSpec) -> set[str]:
    """Return the labels that are true of a film; a tube alone still counts as no finding."""
    labels = {label for name in spec.names for label in BY_FINDING[name]}
    return labels if labels - {"Support Devices"} else labels | {"No Finding"}


def consensus_values(spec: FilmSpec, columns: Sequence[str]) -> list[str]:
    """Return 1.0 or 0.0 for each column: what a panel of readers agrees on."""
    present = present_labels(spec)
    return ["1.0" if column in present else "0.0" for column in columns]


def labeller_values(spec: FilmSpec, columns: Sequence[str], uncertain: float, stream: np.random.Generator) -> list[str]:
    """Return 1.0, 0.0, -1.0 or blank for each column: most absent findings go unmentioned.

    A mentioned finding, present or absent, is called uncertain (-1.0) with probability `uncertain`.
    """
    present, values = present_labels(spec), []
    for column in columns:
        mentioned, doubt = stream.random() < 0.3, stream.random() < uncertain
        if column == "No Finding":
            values.append("1.0" if column in present else "")
        elif column == "Enlarged Cardiomediastinum":
            values.append("")
        elif column in present:
            values.append("-1.0" if doubt else "1.0")
        else:
            values.append("" if not mentioned else "-1.0" if doubt else "0.0")
    return values
