"""A shard of a mask pool on the disk: the form of a cohort, of kind `masks`, whose images are black."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.conditions.mask_prompts import ask_of, ask_text
from scripts.lib.core.log import log
from scripts.lib.generators.masks.sampling import MadeMask

KIND = "masks"


def write_mask_shard(
    out: Path,
    cohort: Cohort,
    table: pd.DataFrame,
    masks: Sequence[MadeMask],
    least: Mapping[str, float],
    notes: Mapping[str, Any],
) -> None:
    """Write the masks of the rows of a table (mask_table.py); labels are what a mask shows, not what was asked for.

    `cohort` is the one whose structures and labels the masks have; `least` says how large a finding must be (mask_shape.least_of). Masks that could not be made valid are named in the log.
    """
    black = np.zeros((cohort.resolution, cohort.resolution), np.uint8)
    every = (1 << len(cohort.structures)) - 1
    bad = []
    with CohortWriter(out, cohort.resolution, cohort.structures, cohort.labels, {**notes, "kind": KIND}) as writer:
        for row, mask in zip(table.to_dict("records"), masks, strict=True):
            shown = ask_of(mask.field, cohort.structures, least)
            name = f"{row['condition_id']}-{row['sample']}"
            if mask.faults:
                bad.append(f"{name} ({', '.join(mask.faults)})")
            writer.add(
                black,
                mask.field,
                {
                    "image_id": name,
                    "patient_id": name,
                    "split": "synthetic",
                    "sha256": pixels_sha256(mask.field),
                    "mask_sha256": pixels_sha256(mask.field),
                    "synthetic": True,
                    "annotated": every,
                    **{key: row[key] for key in ("condition_id", "sample", "trial", "position", "prompt", "ask")},
                    "shown": json.dumps(shown, sort_keys=True),
                    "shown_words": ask_text(shown),
                    "tries": mask.tries,
                    "faults": ", ".join(mask.faults),
                    "missed": ", ".join(mask.missed),
                    "first_faults": ", ".join(mask.first_faults),
                    "first_missed": ", ".join(mask.first_missed),
                    **{label: int(label in shown) for label in cohort.labels if label in cohort.structures},
                },
            )
    if bad:
        log(f"{len(bad)} of {len(masks)} masks are not valid at the last try: {'; '.join(sorted(bad)[:5])}")
    if lacking := [mask for mask in masks if mask.missed]:
        log(f"{len(lacking)} of {len(masks)} masks do not show all that was asked for, e.g. {lacking[0].missed[0]}")
