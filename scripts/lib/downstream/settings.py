"""The settings of a trial: what must be there, checked once and early, so that a training does not fail after hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import ALONE, SOURCES
from scripts.lib.study.tables import EMPTY_POLICIES
from scripts.lib.study.tasks import BOXES, LABELS, MASKS, TASKS
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
NEEDED_FOR = {
    LABELS: (),
    MASKS: ("model.decoder_channels", "loss.bce", "loss.dice"),
    BOXES: ("model.decoder_channels", "boxes.score", "boxes.overlap", "boxes.most"),
}
CHOICES = {
    "task": tuple(TASKS),
    "precision": ("auto", "fp32", "bf16"),
    "schedule": SCHEDULES,
    "budget.kind": ("steps", "epochs"),
    "mixing.kind": ("concat", "balanced", PRETRAIN, ALONE),
    "optimizer.name": ("adamw", "adam", "sgd", "muon"),
}


def check_settings(config: Mapping[str, Any]) -> Section:
    """Return a trial's settings, complete; raises InputError when keys are missing or a named choice is unknown."""
    settings = Section(config, "trials")
    task = TASKS[settings.one_of("task", *CHOICES["task"])]
    settings.need(*NEEDED, *NEEDED_FOR[task.says])
    for path, allowed in CHOICES.items():
        settings.one_of(path, *allowed)
    if settings["mixing"]["kind"] == PRETRAIN:
        settings.need("mixing.share")
        settings.one_of("mixing.rate", "restarted", "one")
    if task.targets == "one" and not isinstance(settings["target"], str):
        raise InputError(
            f"settings: trials.target = {settings['target']!r}; expected one name for the task {settings['task']}"
        )
    if task.says == BOXES:
        _check_boxes(settings)
    return settings


def _check_boxes(settings: Mapping[str, Any]) -> None:
    """Raise InputError for what a detector cannot do: be turned, or have heads whose convolutions differ in width."""
    for key in ("augment", "strong_augment"):
        if settings.get(key) and settings[key]["rotation"]:
            raise InputError(
                f"settings: trials.{key}.rotation = {settings[key]['rotation']}; expected 0: the box of a turned finding is not "
                f"the turned box"
            )
    widths = settings["model"]["decoder_channels"]
    if not widths or len(set(widths)) > 1:
        raise InputError(
            f"settings: trials.model.decoder_channels = {list(widths)}; expected one width, once for each convolution of a head, "
            f"for example [32, 32]"
        )


def check_scoring(config: Mapping[str, Any]) -> Section:
    """Return how predictions are scored: task, target and, for masks, empty_policy; raises InputError unless it is said."""
    settings = Section(config, "trials")
    settings.need("task", "target")
    if TASKS[settings.one_of("task", *CHOICES["task"])].says == MASKS:
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
    needs_pool = not control or SOURCES[control].has_store
    if arm != "real" and (0 in multipliers or has_pool != needs_pool):
        pool = "a pool (--pool)" if needs_pool else f"no pool, as its source is {control}"
        raise InputError(f"arm {arm}: multipliers {list(multipliers)}, expected numbers above 0 and {pool}")
