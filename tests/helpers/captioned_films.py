"""A small cohort with reports, of which captions are made."""

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter

REPORTS = ["Small left effusion.", None, "Normal.", "Small left effusion.", "See above.", "Right pneumothorax."]
SPLITS = ["validate", "validate", "validate", "validate", "validate", "train"]


def write_cohort(folder, dataset="mimic", reports=REPORTS, splits=SPLITS):
    with CohortWriter(folder, 32, [], ["pneumothorax"], {"dataset": dataset, "format": dataset}) as writer:
        for number, (report, split) in enumerate(zip(reports, splits)):
            row = {"image_id": f"i{9 - number}", "patient_id": f"p{number}", "split": split, "report": report}
            writer.add(np.zeros((32, 32), np.uint8), None, row)
    return Cohort.open(folder)
