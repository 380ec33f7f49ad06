"""What is left of a pool without some images, in an order whose prefixes resemble the pool's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.filters.proxy.scores import IDENTITY, KEPT

NOTHING = "normal"
COPIES = "are near-copies of training films"  # what a line says of images that are dropped
DENIED = "do not show what they were asked to show"


def shown_labels(index: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Return what each image shows, text (n,): its positive labels, joined, or normal."""
    positive = index[list(labels)].fillna(0).to_numpy(dtype=float) == 1
    return np.array(
        ["+".join(name for name, on in zip(labels, row) if on) or NOTHING for row in positive], dtype=object
    )


def keep_rest(
    index: pd.DataFrame, labels: Sequence[str], dropped: np.ndarray, score: np.ndarray, why: str
) -> pd.DataFrame:
    """Return the images (KEPT) that are not `dropped` (n,), by trial and position, with their `score` (n,).

    index  image_id, condition_id, sample, trial, position and the labels of every image
    why    COPIES or DENIED

    A later image of the same label and trial takes the place of one that is dropped, so every prefix stays balanced. Raises
    InputError where all images of a label are dropped.
    """
    table = index[["image_id", *IDENTITY, "trial", "position"]].assign(
        label=shown_labels(index, labels), score=score, _dropped=dropped
    )
    parts = []
    for (trial, label), group in table.groupby(["trial", "label"], sort=True):
        group = group.sort_values(["position", *IDENTITY], kind="stable")
        rest = group[~group["_dropped"]]
        if rest.empty:
            raise InputError(f"{label}, trial {trial}: all {len(group)} images {why}; this generator cannot be used")
        parts.append(rest.assign(_slot=group["position"].to_numpy()[: len(rest)]))
    if not parts:
        raise InputError("the pool holds no image, so there is nothing to keep; sample it first")
    kept = pd.concat(parts).rename(columns={"position": "source_position"}).astype({"label": "string"})
    kept = kept.sort_values(["trial", "_slot", "label"], kind="stable", ignore_index=True)
    return kept.assign(position=kept.groupby("trial").cumcount().astype(np.int64))[KEPT]
