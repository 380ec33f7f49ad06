"""A tiny CLIP with random weights and tiny pools, for the tests of the proxy model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.seeds import rng
from scripts.lib.encoders.clip_text import train_tokenizer
from scripts.lib.filters.proxy.model import Proxy, open_proxy
from scripts.lib.filters.proxy.small import SmallClip, build_model, model_config, write_clip
from scripts.lib.training.devices import Placement
from scripts.lib.training.settings import Section

torch.set_num_threads(1)

CPU = Placement(torch.device("cpu"), torch.float32)
SIDE = 32
LABELS = ["edema", "pneumonia"]
PROMPTS = {"edema": "edema", "pneumonia": "{side} pneumonia", "normal": "normal"}
TRAIN: dict[str, Any] = {
    "checkpoint_seconds": 0,
    "embed": 8,
    "vision": {"layers": [1, 1, 1, 1], "width": 4},
    "text": {"vocabulary": 600, "max_tokens": 8, "hidden": 16, "layers": 1, "heads": 2},
    "shift": 0.1,
    "steps": 4,
    "batch_size": 6,
    "gradient_accumulation": 1,
    "learning_rate": 1e-3,
    "warmup": 1,
    "matrices": "adamw",
    "schedule": "cosine",
    "beta2": 0.99,
    "weight_decay": 1e-2,
    "clip": 1.0,
    "ema": 0.9,
}
PROXY: dict[str, Any] = {
    "model": None,
    "device": "cpu",
    "precision": "fp32",
    "batch_size": 4,
    "templates": ["{}"],
    "rank_by": "cosine",
    "percentile": 90,
    "allow_unvalidated": False,
    "prompts": PROMPTS,
    "validation": {"dataset": "mimic", "split": "train", "bootstrap": 50},
    "prefixes": [0.5, 1.0],
    "diversity": {"images": 20, "pairs": 30},
    "train": TRAIN,
}


def films(count: int, side: int = SIDE) -> np.ndarray:
    """Return random films, uint8 (count, side, side), smooth enough to be resized."""
    coarse = rng("films", count, side).integers(0, 256, (count, 8, 8)).astype(np.uint8)
    return np.repeat(np.repeat(coarse, side // 8, 1), side // 8, 2)


def write_model(folder: Path, seed: int = 1) -> str:
    """Write a tiny model; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(["edema", "pneumonia", "normal"], TRAIN["text"]["vocabulary"], 8)
    config = model_config(Section(TRAIN, "proxy.train"), tokenizer, films(4))
    write_clip(folder, SmallClip(build_model(config, seed), tokenizer, config))
    return str(folder)


def tiny_proxy(folder: Path, batch_size: int = 4) -> Proxy:
    """Write and open a tiny model."""
    return open_proxy(write_model(folder), CPU, batch_size)


def write_pool(folder: Path, count: int, first: int = 0, trials: tuple[int, ...] = (-1,), side: int = SIDE) -> Cohort:
    """Write `count` films from number `first` on: edema, pneumonia, normal in turn, trials in blocks of three."""
    images = films(first + count, side)[first:]
    with CohortWriter(folder, side, [], LABELS, {"dataset": "toy"}) as writer:
        for number, image in enumerate(images, first):
            label = ("edema", "pneumonia", "normal")[number % 3]
            row = {"image_id": f"{label}-{number}", "patient_id": f"{label}-{number}", "split": "train"}
            row |= {"report": "left pneumonia" if label == "pneumonia" else label, "sha256": pixels_sha256(image)}
            row |= {name: int(name == label) for name in LABELS} | {"synthetic": True, "kind": "text"}
            row |= {"condition_id": label, "sample": number, "trial": trials[number // 3 % len(trials)]}
            writer.add(image, None, row | {"position": number})
    return Cohort.open(folder)


def score_frame(values: list[float], label: str = "edema", trial: int = -1) -> pd.DataFrame:
    """Return a table of scores of films of one label, position = place in the list."""
    count = len(values)
    return pd.DataFrame(
        {
            "image_id": [f"{label}-{number}" for number in range(count)],
            "condition_id": label,
            "sample": range(count),
            "trial": trial,
            "position": range(count),
            "label": label,
            "score": values,
            f"score_{label}": values,
        }
    )
