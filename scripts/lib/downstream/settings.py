"""The settings of a trial: what must be there, checked once and early, so that a training does not fail after hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import SOURCES
from scripts.lib.study.tables import EMPTY_POLICIES, TASKS
from scripts.lib.training.learning_rate import SCHEDULES
from scripts.lib.training.settings import Section

AUGMENT = ("shift", "scale", "rotation", "brightness", "contrast", "gamma", "noise", "hflip")
# What a trial's settings must hold, by dotted key.
NEEDED = (
    *("task", "target", "device", "precision", "checkpoint_seconds", "image_size", "batch_size", "schedule", "warmup"),
    *("grey.mean", "grey.std", "validation_share", "validation_patients"),
    *("budget.kind", "budget.steps", "budget.epochs", "budget.patience", "mixing.kind", "mixing.real_share"),
    *("optimizer.name", "optimizer.learning_rate", "optimizer.weight_decay"),
    *(f"augment.{name}" for name in AUGMENT),
    *(f"model.{name}" for name in ("encoder", "channels", "weights", "frozen", "fold")),
)
PRETRAIN = "pretrain"  # the mixing that learns from synthetic films first
NEEDED_FOR_MASKS = ("model.decoder_channels", "loss.bce", "loss.dice")
CHOICES = {
    "task": TASKS,
    "precision": ("auto", "fp32", "bf16"),
    "schedule": SCHEDULES,
    "budget.kind": ("steps", "epochs"),
    "mixing.kind": ("concat", "balanced", PRETRAIN),
    "optimizer.name": ("adamw", "adam", "sgd"),
}


def check_settings(config: Mapping[str, Any]) -> Section:
    """Return a trial's settings, complete; raises InputError when keys are missing or a named choice is unknown."""
    settings = Section(config, "trials")
    masks = settings.one_of("task", *CHOICES["task"]) == "segmentation"
    settings.need(*NEEDED, *(NEEDED_FOR_MASKS if masks else ()))
    for path, allowed in CHOICES.items():
        settings.one_of(path, *allowed)
    if settings["mixing"]["kind"] == PRETRAIN:
        settings.need("mixing.share")
        settings.one_of("mixing.rate", "restarted", "one")
    if settings["task"] != "multilabel" and not isinstance(settings["target"], str):
        raise InputError(
            f"settings: trials.target = {settings['target']!r}; expected one name for the task {settings['task']}"
        )
    return settings


def check_scoring(config: Mapping[str, Any]) -> Section:
    """Return how predictions are scored: task, target and, for masks, empty_policy; raises InputError unless it is said."""
    settings = Section(config, "trials")
    settings.need("task", "target")
    if settings.one_of("task", *CHOICES["task"]) == "segmentation":
        settings.one_of("empty_policy", *EMPTY_POLICIES)
    return settings


def steps_of(budget: Mapping[str, Any], fraction: float) -> int:
    """Return the optimizer steps of a fraction's trainings: one number for all, or that of the fraction.

    A fraction that `steps` leaves out takes the number of the next larger one, or of the largest.
    """
    steps = budget["steps"]
    if isinstance(steps, int):
        return steps
    listed = sorted(steps, key=float)
    return steps[next((name for name in listed if float(name) >= fraction - 1e-12), listed[-1])]


def check_strong(config: Mapping[str, Any]) -> None:
    """Raise InputError unless `strong_augment` is there and nowhere weaker than the trial's own changes."""
    strong, own = config.get("strong_augment") or {}, config["augment"]
    for key in AUGMENT:
        if key not in strong or strong[key] < own[key]:
            raise InputError(
                f"settings: trials.strong_augment.{key} = {strong.get(key)}; expected at least augment.{key} = {own[key]:g}: films of the "
                f"source `augmented` are changed more than any film is"
            )


def check_multipliers(arm: str, multipliers: Sequence[int], has_pool: bool, control: str = "") -> None:
    """Raise InputError unless an arm has the multipliers and the pool that it needs.

    `real` runs multiplier 0 without a pool; a control of the cohort's own films runs others without one, any other arm with one.
    """
    if min(multipliers) < 0 or len(set(multipliers)) < len(multipliers):
        raise InputError(f"multipliers {list(multipliers)}: expected different whole numbers from 0")
    if arm == "real" and (list(multipliers) != [0] or has_pool or control):
        raise InputError(f"arm real: multipliers {list(multipliers)}, expected 0 alone and no pool")
    needs_pool = not control or bool(SOURCES[control].rule)
    if arm != "real" and (0 in multipliers or has_pool != needs_pool):
        pool = "a pool (--pool)" if needs_pool else f"no pool, as its source is {control}"
        raise InputError(f"arm {arm}: multipliers {list(multipliers)}, expected numbers above 0 and {pool}")
