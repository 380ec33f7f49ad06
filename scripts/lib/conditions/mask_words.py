"""Words beside a mask that say what it shows: in the training of a ControlNet, and in the conditions of its images."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.conditions.mask_prompts import ask_of, ask_text
from scripts.lib.conditions.masks import render
from scripts.lib.conditions.rows import TEXTS, TRIAL_SAMPLES, condition_id


def mask_words(cohort: Cohort, rows: np.ndarray) -> list[str]:
    """Return what the mask of each row shows: "right pleural effusion and cardiomegaly", or "no finding"."""
    return [ask_text(ask_of(field, cohort.structures)) for field in cohort.masks(rows)]


def with_words(table: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    """Return a table of conditions (table.py) whose rows with a mask say what this mask shows, as changed; their kind is both.

    A new text is a new condition, so these rows have new identities and sample numbers. Rows without a mask stay as they are.
    """
    masked = (table["mask_source"].notna()).to_numpy()
    row_of = pd.Series(np.arange(len(cohort)), index=cohort.index["image_id"].astype(str))
    said: dict[tuple[str, str], tuple[str, str]] = {}
    prompts, names = table["prompt"].astype(object).tolist(), table["condition_id"].astype(object).tolist()
    for row in np.flatnonzero(masked):
        source, change = str(table["mask_source"].iloc[row]), table["transform"].iloc[row]
        text = "" if pd.isna(change) else str(change)
        number = int(row_of[source])
        if (source, text) not in said:
            field = cohort.masks([number])[0]
            shown = render(field, cohort.structures, json.loads(text) if text else None)
            said[source, text] = ask_text(ask_of(shown, cohort.structures)), pixels_sha256(field)
        prompts[row], digest = said[source, text]
        names[row] = condition_id(prompts[row], digest, text or None)
    out = table.assign(prompt=prompts, condition_id=names, kind=np.where(masked, "both", table["kind"]))
    repeat = out.groupby(["trial", "condition_id"], sort=False).cumcount()
    out["sample"] = out["trial"] * TRIAL_SAMPLES + repeat
    return out.astype({"sample": "int64"} | dict.fromkeys(TEXTS, "string"))
