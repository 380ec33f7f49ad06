"""The learning rate of every training of this project, as a function of the step alone: a resumed training has the same."""

from __future__ import annotations

import math

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
