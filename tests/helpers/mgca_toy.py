"""A small MGCA and its films, for the tests."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from scripts.lib.mgca.model import MGCA
from scripts.lib.mgca.text import build_bert, train_tokenizer
from scripts.lib.study.layers import merge
from scripts.lib.training.settings import Section
from tests.helpers.downstream_films import SIDE, write_films

torch.set_num_threads(1)

SETTINGS: dict[str, Any] = {
    "device": "cpu",
    "precision": "fp32",
    "checkpoint_seconds": 1000,
    "image": {
        "encoder": "small",
        "channels": [4, 8],
        "fold": 1,
        "weights": None,
        "resize": None,
        "image_size": None,
        "pad": 1,
    },
    "grey": {"mean": 0.5, "std": 0.25},
    "text": {
        "path": None,
        "vocabulary": 120,
        "max_tokens": 10,
        "hidden": 8,
        "layers": 1,
        "heads": 2,
        "dropout": 0.1,
        "frozen": False,
        "sections": ["impression"],
        "min_words": 1,
        "min_sentence_words": 1,
    },
    "emb_dim": 8,
    "embedding_hidden": 16,
    "attention": "cosine",
    "equal_reports": "negatives",
    "prototypes": 6,
    "freeze_prototypes_epochs": 1,
    "sinkhorn": {"epsilon": 0.05, "iterations": 3},
    "temperature": {"instance": 0.07, "token": 0.1, "prototype": 0.2},
    "losses": {"instance": 1.0, "token": 1.0, "prototype": 1.0},
    "statistics_batches": 2,
    "steps": 8,
    "batch_size": 6,
    "gradient_accumulation": 1,
    "learning_rate": 0.002,
    "warmup": 2,
    "matrices": "adamw",
    "schedule": "cosine",
    "beta2": 0.99,
    "weight_decay": 0.05,
    "clip": 1.0,
    "ema": 0.0,
}
WORDS = [
    "Normal.",
    "Edema.",
    "Left pneumonia and edema.",
    "1. Large right pleural effusion. 2. Edema.",
    "Cardiomegaly with small left pleural effusion.",
]


def settings_of(**changes: Any) -> Section:
    """Return the settings with changes merged in."""
    return Section(merge(copy.deepcopy(SETTINGS), changes), "mgca")


def write_reported(folder: Path, reports: list[str | None] | None = None, held_out: int = 6) -> Path:
    """Write films with these reports; the last `held_out` are for validation."""
    reports = reports or [WORDS[k % len(WORDS)] for k in range(24)]
    splits = ["train"] * (len(reports) - held_out) + ["validate"] * held_out
    write_films(folder, len(reports), report=list(reports), split=splits)
    return folder


def small_mgca(side: int = SIDE, **changes: Any) -> tuple[MGCA, Any]:
    """Return an untrained network and its tokenizer."""
    settings = settings_of(**changes)
    tokenizer = train_tokenizer([text.lower() for text in WORDS] * 2, 120, settings["text"]["max_tokens"])
    torch.manual_seed(0)
    return MGCA(settings, build_bert(settings["text"], tokenizer), side), tokenizer
