"""Tiny films with a generator, a judge and all that edits need, made by the real commands."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.class_models import LABEL, train, write_films
from tests.helpers.diffusion_models import PLACE, SAMPLING

EDITS = {
    **PLACE, "least": 0.0, "draws": 100, "ways": ["ddpm", "ddim", "sdedit"], "steps": 4, "identity": 0.95, "films": 4,
    "shards": 1, "sweep": {"strengths": [0.5], "guidance": [1.0, 3.0], "films": 4},
}  # fmt: skip
SPLITS = ("validate",) * 4 + ("test",) * 4 + ("train",) * 8


def write_world(root: Path) -> Path:
    """Write films of all splits, and a class-conditional model of some of them."""
    write_films(root / "films", [1, 0, 1, 0], others=SPLITS)
    train(root, "model")
    return root


def common(root: Path, *parts: str) -> list[str]:
    """Return the options that the commands of edits share."""
    words = ["--cohort", str(root / "films"), "--target", LABEL, "--seed", "5", "--config", json.dumps(EDITS)]
    if "generator" in parts:
        words += ["--generator", str(root / "model"), "--sampling", json.dumps(SAMPLING)]
    if "judge" in parts:
        words += ["--judge", str(root / "judge"), "--verdict", str(root / "judge.json")]
    return words
