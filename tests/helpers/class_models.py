"""Tiny class-conditional models and the films that teach them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts import train_class_autoencoder, train_class_ldm
from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from tests.helpers.diffusion_models import PLACE, TRAINING

STEP = {**TRAINING, "steps": 2, "batch_size": 4}
AUTOENCODER = {
    **STEP, "channels": [4, 8], "latent_channels": 2, "layers": 1, "attention": False, "norm_groups": 2, "kl_weight": 1e-6,
}  # fmt: skip
UNET = {
    **STEP, "channels": [8, 16], "attention": [False, True], "layers": 1, "heads": 2, "norm_groups": 2, "class_dropout": 0.2,
    "min_snr_gamma": 5.0,
}  # fmt: skip
DIFFUSION = {
    "train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction": "epsilon",
}  # fmt: skip
MODEL = {**PLACE, "checkpoint_seconds": 0, "autoencoder": AUTOENCODER, "unet": UNET, "diffusion": DIFFUSION}
LABEL = "pneumonia"


def write_films(folder: Path, labels: list[int | None], side: int = 32, others: Sequence[str] = ("test",)) -> Path:
    """Write films of split generator with these labels, and one of each split of `others`, diseased and normal in turn."""
    stream = np.random.default_rng(3)
    with CohortWriter(folder, side, [], [LABEL], {"dataset": "kids"}, False) as writer:
        for number, value in enumerate([*labels, *(1 - place % 2 for place in range(len(others)))]):
            image = stream.integers(0, 256, (side, side), dtype=np.uint8)
            row = {"image_id": f"film{number}", "patient_id": f"child{number}", "sha256": pixels_sha256(image)}
            split = "generator" if number < len(labels) else others[number - len(labels)]
            writer.add(image, None, {**row, "split": split, "synthetic": False, LABEL: value})
    return folder


def train(root: Path, out: str, **changes: Any) -> Path:
    shared = [
        "--cohort",
        str(root / "films"),
        "--target",
        LABEL,
        "--seed",
        "3",
        "--checkpoint-dir",
        str(root / "checkpoints"),
    ]
    coder = root / "coder"
    if not coder.is_dir():
        config = json.dumps({**PLACE, "checkpoint_seconds": 0, **AUTOENCODER})
        train_class_autoencoder.main([*shared, "--config", config, "--out", str(coder)])
    call = ["--autoencoder", str(coder), "--config", json.dumps({**MODEL, **changes}), "--out", str(root / out)]
    train_class_ldm.main([*shared, *call])
    return root / out
