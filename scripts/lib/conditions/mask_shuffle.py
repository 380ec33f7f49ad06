"""The control `shuffled`: the real anatomy of one film with the real findings of others, each drawn by itself at random.

That is what "randomly sampled masks" are: each shape is real, and nothing says that they go together or fit the anatomy.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.mask_prompts import findings_of
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng


def shuffled_fields(cohort: Cohort, table: pd.DataFrame, films: dict[int, np.ndarray], seed: int) -> np.ndarray:
    """Return a mask for each row of a table of masks (mask_table.py), uint8 (n, H, W).

    `films`: by trial the rows of the cohort that the masks may come from. Each finding comes from another patient's film, present
    or not, so that findings are as frequent as on real films. Raises InputError where a trial has films of one patient alone.
    """
    rows = pd.Series(np.arange(len(cohort)), index=cohort.index["image_id"].astype(str))
    patients = cohort.index["patient_id"].astype(str).to_numpy()
    findings = np.uint8(sum(cohort.bit(name) for name in findings_of(cohort.structures)))
    made = np.empty((len(table), cohort.resolution, cohort.resolution), np.uint8)
    columns = (table[name].tolist() for name in ("source", "trial", "condition_id", "sample"))
    for number, (source, trial, condition, sample) in enumerate(zip(*columns, strict=True)):
        film = int(rows[source])
        stream = rng(seed, "shuffled", source, int(sample), condition)
        others = films[int(trial)]
        others = others[patients[others] != patients[film]]
        if not len(others):
            raise InputError(
                f"shuffled: trial {trial} has films of one patient alone, so there is nobody to take findings of"
            )
        chosen = stream.choice(others, size=len(findings_of(cohort.structures)))
        field = cohort.masks([film])[0] & ~findings
        for name, other in zip(findings_of(cohort.structures), cohort.masks(chosen), strict=True):
            field |= other & np.uint8(cohort.bit(name))
        made[number] = field
    return made
