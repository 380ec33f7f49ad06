"""Small cohorts and settings that the tests of conditions share."""

import numpy as np

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.subsets import draw_ranks
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.conditions.table import TableRequest, build_conditions

DISEASES = ["atelectasis", "cardiomegaly", "edema"]
TRANSFORMS = {"flip": 0.5, "translate": 0.1, "dilate": 0.07, "erode": 0.07, "margin": 0.0, "keep": 0.3}
PROMPTS = {name: name for name in [*DISEASES, "pneumonia", "pneumothorax"]} | {"normal": "normal"}
SETTINGS = {
    "kinds": {"text": 1.0, "mask": 0.0, "both": 0.0},
    "prompts": PROMPTS,
    "normal_share": 0.0,
    "positive_share": 1.0,
    "balance": "with_real",
    "transforms": TRANSFORMS,
    "validation_share": 0.0,
    "validation_patients": 1,
}
CHEXPERT = SETTINGS | {"task": "multilabel", "target": DISEASES}
RSNA = SETTINGS | {"task": "classification", "target": "pneumonia", "normal_share": 0.5}
CANDID = SETTINGS | {"task": "segmentation", "target": "pneumothorax", "kinds": {"mask": 1.0}}


def write_cohort(folder, labels, structures=(), count=40, films_a_patient=1, masks=None, hashes=True):
    """A cohort of 15 x 15 pixels; `labels` {name: function of the film's number}, `masks` likewise a field."""
    with CohortWriter(folder, 15, structures, list(labels), {"dataset": "tiny"}) as writer:
        for number in range(count):
            row = {"image_id": f"i{number:03d}", "patient_id": f"p{number // films_a_patient}", "split": "train"}
            row |= {name: value(number) for name, value in labels.items()}
            field = masks(number) if masks else None
            if structures and hashes:
                row["mask_sha256"] = pixels_sha256(field)
            writer.add(np.full((15, 15), number, np.uint8), field, row)
    return Cohort.open(folder)


def chest(number):
    """Lungs and heart; every even film has a pneumothorax, on the patient's left in every fourth film."""
    field = np.zeros((15, 15), np.uint8)
    field[2:13, 1:6] = 1
    field[2:13, 9:14] = 1
    field[8:13, 5:10] |= 2
    if number % 2 == 0:
        field[2:6, (9 if number % 4 == 0 else 1) :][:, :5] |= 4
    return field


def candid_cohort(folder):
    labels = {"pneumothorax": lambda number: int(number % 2 == 0), "edema": lambda number: 0}
    return write_cohort(folder, labels, ["lungs", "heart", "pneumothorax"], masks=chest)


def chexpert_cohort(folder):
    labels = {
        "atelectasis": lambda number: int(number % 2 == 0),
        "cardiomegaly": lambda number: int(number % 5 == 0),
        "edema": lambda number: int(number % 10 == 0),
        "pneumonia": lambda number: None,
    }
    return write_cohort(folder, labels)


def build(cohort, chosen, fraction=1.0, multiplier=2, trials=2, seed=7):
    subsets = draw_ranks(cohort.index, cohort.labels, trials, True, seed, "tiny")
    return build_conditions(cohort, subsets, chosen, TableRequest("tiny", fraction, multiplier, trials, seed)), subsets
