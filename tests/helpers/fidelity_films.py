"""Small cohorts and pools with features, for the tests of fidelity and memorisation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.seeds import rng

SIDE = 48
LABELS = ["pneumonia"]


def films(count: int, *about: object, side: int = SIDE) -> np.ndarray:
    """Return films that differ: a shared body, and shapes of their own, uint8 (count, side, side)."""
    stream = rng("fidelity films", *about)
    body = np.asarray(Image.fromarray(np.uint8([[60, 160, 60], [90, 200, 90], [60, 140, 60]])).resize((side,) * 2))
    made = []
    for _ in range(count):
        own = Image.fromarray(stream.integers(0, 256, (7, 7), dtype=np.uint8)).resize(
            (side,) * 2, Image.Resampling.BICUBIC
        )
        made.append(np.clip(body * 0.5 + np.asarray(own, float) * 0.5, 0, 255).astype(np.uint8))
    return np.stack(made)


def write_store(
    folder: Path, images: np.ndarray, splits: Sequence[str], prefix: str, synthetic: bool = False, first: int = 0
) -> Path:
    """Write a cohort of one patient a film, or a shard of a pool that begins with image `first`; returns its folder."""
    with CohortWriter(
        folder, images.shape[-1], [], LABELS, {"dataset": "toy", "arm": "mine", "fraction": "1"}
    ) as writer:
        for place, (image, split) in enumerate(zip(images, splits), start=first):
            row = {
                "patient_id": f"{prefix}{place}",
                "split": split,
                "sha256": pixels_sha256(image),
                "synthetic": synthetic,
            }
            pool = {"condition_id": f"{prefix}{place}", "sample": 0, "trial": 0, "position": place} if synthetic else {}
            writer.add(image, None, {"image_id": f"{prefix}{place}", **row, **pool, "pneumonia": place % 2})
    return folder


def as_table(path: Path) -> pd.DataFrame:
    """Return a CSV with n/a as NaN, and empty notes."""
    return pd.read_csv(path, na_values=["n/a"], dtype={"fraction": str, "note": str}).fillna({"note": ""})
