"""The learning rate of every training of this project, as a function of the step alone: a resumed training has the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scripts.lib.core.errors import InputError

SCHEDULES = ("cosine", "constant")


def learning_rate(step: int, steps: int, peak: float, warmup: float, schedule: str) -> float:
    """Return the rate of `step`, 0 to `steps` - 1: a linear rise over `warmup` steps to `peak`, then what `schedule` says.

    cosine: half a cosine that begins at the end of the warm-up and would be 0 at `steps`; constant: `peak`. So a training
    reaches `peak` however long its warm-up is, at step `warmup` (rounded up). This is the form of MGCA's
    CosineAnnealingWarmupRestarts with a single cycle.
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    if schedule == "constant":
        return peak
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1.0, steps - warmup)))


def warmup_steps(settings: Mapping[str, Any], steps: int) -> float:
    """Return the steps of `settings["warmup"]`: a whole number of them, or with a point a share of a training's `steps`."""
    warmup = settings["warmup"]
    return warmup if isinstance(warmup, int) else warmup * steps


def rate_at(step: int, steps: int, peak: float, settings: Mapping[str, Any]) -> float:
    """Return the rate of `step` as `schedule` and `warmup` of any training's settings say; raises InputError for other words."""
    if (schedule := settings["schedule"]) not in SCHEDULES:
        raise InputError(f"settings: schedule = {schedule!r}; expected one of {', '.join(SCHEDULES)}")
    return learning_rate(step, steps, peak, warmup_steps(settings, steps), schedule)
