"""The settings of a trial: what must be there, checked once and early, so that a training does not fail after hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.core.errors import InputError

EMPTY_POLICIES = ("exclude", "kaggle", "zero")
SECTIONS = {
    "grey": ("mean", "std"),
    "budget": ("kind", "steps", "epochs", "patience"),
    "optimizer": ("name", "learning_rate", "weight_decay"),
    "schedule": ("name", "warmup"),
    "mixing": ("kind", "real_share"),
    "augment": ("shift", "scale", "rotation", "brightness", "contrast", "gamma", "noise", "hflip"),
    "model": ("encoder", "channels", "decoder_channels", "weights", "frozen", "fold"),
    "loss": ("bce", "dice"),
}
SINGLE = (
    *("task", "target", "device", "precision", "image_size", "batch_size"),
    *("validation_share", "validation_patients", "checkpoint_seconds"),
)
MASKS_ONLY = ("loss.bce", "loss.dice", "model.decoder_channels")
CHOICES = {
    "task": ("classification", "multilabel", "segmentation"),
    "budget.kind": ("steps", "epochs"),
    "optimizer.name": ("adamw", "adam", "sgd"),
    "schedule.name": ("constant", "cosine"),
    "mixing.kind": ("concat", "balanced"),
    "precision": ("auto", "fp32", "bf16"),
}


def check_settings(config: Mapping[str, Any]) -> None:
    """Raise InputError when a key is missing or one of the named choices is unknown."""
    flat = dict(config)
    for section in SECTIONS:
        for key, value in (config.get(section) or {}).items():
            flat[f"{section}.{key}"] = value
    needed = [*SINGLE, *(f"{section}.{key}" for section, keys in SECTIONS.items() for key in keys)]
    masks = config.get("task") == "segmentation"
    missing = [key for key in needed if key not in flat and (masks or key not in MASKS_ONLY)]
    if missing:
        raise InputError(
            f"trials: the settings lack {', '.join(missing)}; take them from the section trials of config.yaml and studies/defaults"
        )
    for key, allowed in CHOICES.items():
        if key in flat and flat[key] not in allowed:
            raise InputError(f"trials: {key} = {flat[key]!r}, expected one of {', '.join(allowed)}")
    if config["task"] != "multilabel" and not isinstance(config["target"], str):
        raise InputError(f"trials: target = {config['target']!r}, expected one name for the task {config['task']}")


def check_scoring(config: Mapping[str, Any]) -> None:
    """Raise InputError unless the settings say how predictions are scored: task, target and, for masks, empty_policy."""
    if missing := [key for key in ("task", "target") if key not in config]:
        raise InputError(f"scoring: the settings lack {', '.join(missing)}; take them from the dataset's section")
    tasks = CHOICES["task"]
    if config["task"] not in tasks:
        raise InputError(f"scoring: task = {config['task']!r}, expected one of {', '.join(tasks)}")
    if config["task"] == "segmentation" and config.get("empty_policy") not in EMPTY_POLICIES:
        raise InputError(
            f"scoring: empty_policy = {config.get('empty_policy')!r}, expected one of {', '.join(EMPTY_POLICIES)}; take it "
            "from the section trials"
        )


def steps_of(budget: Mapping[str, Any], fraction: float) -> int:
    """Return the optimizer steps of a fraction's trainings: one number for all, or that of the fraction.

    A fraction that `steps` leaves out takes the number of the next larger one, or of the largest.
    """
    steps = budget["steps"]
    if isinstance(steps, int):
        return steps
    listed = sorted(steps, key=float)
    return steps[next((name for name in listed if float(name) >= fraction - 1e-12), listed[-1])]


def check_multipliers(arm: str, multipliers: Sequence[int], has_pool: bool) -> None:
    """Raise InputError unless the arm `real` runs multiplier 0 without a pool and any other arm runs others with one."""
    if min(multipliers) < 0 or len(set(multipliers)) < len(multipliers):
        raise InputError(f"multipliers {list(multipliers)}: expected different whole numbers from 0")
    if arm == "real" and (list(multipliers) != [0] or has_pool):
        raise InputError(f"arm real: multipliers {list(multipliers)}, expected 0 alone and no pool")
    if arm != "real" and (0 in multipliers or not has_pool):
        raise InputError(f"arm {arm}: multipliers {list(multipliers)}, expected numbers above 0 and a pool (--pool)")
