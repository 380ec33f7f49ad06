"""Small cohorts, pools and settings for the tests of the downstream models."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.subsets import draw_ranks
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.seeds import rng
from scripts.lib.study.layers import merge

SIDE = 16
LABELS = ["edema", "pneumonia"]
SETTINGS: dict[str, Any] = {
    "task": "classification",
    "target": "pneumonia",
    "device": "cpu",
    "precision": "fp32",
    "checkpoint_seconds": 1000,
    "image_size": None,
    "grey": {"mean": 0.5, "std": 0.25},
    "budget": {"kind": "steps", "steps": 4, "epochs": 3, "patience": 2},
    "validation_share": 0.0,
    "validation_patients": 1,
    "mixing": {"kind": "concat", "real_share": 0.5},
    "schedule": "cosine",
    "warmup": 0.25,
    "augment": {
        "shift": 0.05,
        "scale": 0.05,
        "rotation": 5.0,
        "hflip": 0.5,
        "brightness": 0.1,
        "contrast": 0.1,
        "gamma": 0.1,
        "noise": 0.02,
    },
    "model": {
        "encoder": "small",
        "channels": [4, 8],
        "decoder_channels": [8, 4],
        "weights": None,
        "frozen": False,
        "fold": 1,
    },
    "batch_size": 4,
    "optimizer": {"name": "adamw", "learning_rate": 0.01, "weight_decay": 0.01},
    "loss": {"bce": 1.0, "dice": 1.0},
    "empty_policy": "exclude",
}
STILL = dict.fromkeys(SETTINGS["augment"], 0.0)  # films as they are


def settings_for(task: str, **changes: Any) -> dict[str, Any]:
    """Return the settings of a task and how its predictions are scored, with changes merged in."""
    target = {"classification": "pneumonia", "multilabel": LABELS}.get(task, "lungs")
    return merge({**copy.deepcopy(SETTINGS), "task": task, "target": target}, changes)


def draw(number: int, pneumonia: int, edema: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a film and its mask: a bright square is pneumonia and lies in the mask, a bright background is edema."""
    stream = rng("film", number)
    image = stream.integers(20, 60, (SIDE, SIDE)) + 80 * edema
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if pneumonia:
        top, left = stream.integers(1, SIDE - 7, 2)
        image[top : top + 6, left : left + 6] += 90
        mask[top : top + 6, left : left + 6] = 1
    return image.astype(np.uint8), mask


def write_films(folder: Path, count: int, test: int = 0, first: int = 0, **columns: list[Any]) -> Cohort:
    """Write `count` films, the last `test` of them for testing, two a patient; `columns` are further index columns."""
    with CohortWriter(folder, SIDE, ["lungs"], LABELS, {"dataset": "toy"}) as writer:
        for place in range(count):
            number = first + place
            labels = {"pneumonia": number % 2, "edema": number // 2 % 2}
            image, mask = draw(number, **labels)
            split = "test" if place >= count - test else "train"
            row = {"image_id": f"f{number}", "patient_id": f"p{number // 2}", "split": split, **labels}
            row |= {"sha256": pixels_sha256(image), "synthetic": bool(columns)}
            writer.add(image, mask, row | {name: values[place] for name, values in columns.items()})
    return Cohort.open(folder)


def write_pool(folder: Path, count: int, first: int = 1000) -> Path:
    """Write a pool of `count` images for each of two trials, in order of `position`."""
    write_films(folder, 2 * count, first=first, trial=[0] * count + [1] * count, position=list(range(count)) * 2)
    return folder


def write_trial_inputs(folder: Path, films: int = 32, test: int = 12, pool: int = 40) -> tuple[Path, Path, Path]:
    """Write a cohort, its subsets for two trials and a pool; return their paths."""
    cohort = write_films(folder / "cohort", films, test)
    subsets: pd.DataFrame = draw_ranks(cohort.index, LABELS, 2, True, 1, "toy")
    subsets.to_parquet(folder / "subsets.parquet", index=False)
    return folder / "cohort", folder / "subsets.parquet", write_pool(folder / "pool", pool)
