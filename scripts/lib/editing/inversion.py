"""Ways to give latents of one class those of another, each beside what the same way makes of the own class.

ddpm    edit-friendly DDPM inversion (Huberman-Spiegelglas et al., CVPR 2024, arXiv 2304.06140): noisy latents are drawn
        independently at every level, and what each step of the own class leaves over is added to the same step of the other
        class. With the own class the latents come back.
ddim    DDIM inversion (Song et al. 2021): the deterministic solver runs backwards with the own class, forwards with the other
sdedit  SDEdit (Meng et al. 2022): noise of one draw, removed with the other class

Guidance above 1 counts in both directions of ddpm, so that the own class gives the film back at any guidance; and in the forward
direction of ddim and sdedit, as inversion with guidance is known to go astray (Miyake et al., arXiv 2305.16807).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from scripts.lib.core.errors import InputError
from scripts.lib.editing.steps import Steps

Guess = Callable[[torch.Tensor, int], torch.Tensor]  # (noisy latents, level) -> the network's answer for one class


@dataclass(frozen=True)
class Edited:
    """Latents (n, C, h, w) of the other class, and those that the same way makes of the own class."""

    other: torch.Tensor
    own: torch.Tensor


@dataclass(frozen=True)
class Task:
    """Clean latents (n, C, h, w), the levels of an edit, noise (n, levels, C, h, w), and the answers of both classes.

    `own_bare` is the answer of the own class without guidance.
    """

    latents: torch.Tensor
    steps: Steps
    noise: torch.Tensor
    own: Guess
    other: Guess
    own_bare: Guess


def ddpm(task: Task) -> Edited:
    """Return edit-friendly DDPM inversion; latents of the own class are the clean ones themselves."""
    steps = task.steps
    noisy = [steps.mix(task.latents, task.noise[:, level], level) for level in range(len(steps))]
    noisy.append(task.latents)
    now = noisy[0]  # the clean latents themselves where there is no level
    for level in range(len(steps)):
        left_over = noisy[level + 1] - _mean(steps, task.own, noisy[level], level)
        now = _mean(steps, task.other, now, level) + left_over
    return Edited(now, task.latents)


def ddim(task: Task) -> Edited:
    """Return DDIM inversion: up with the own class, down with either."""
    steps, now = task.steps, task.latents
    for level in reversed(range(len(steps))):
        # The network is asked at the level that is reached: it has not learned latents without noise.
        noise = steps.split(now, task.own_bare(now, level), level)[1]
        now = steps.mix(steps.without(now, noise, level + 1), noise, level)
    return Edited(_down(steps, task.other, now), _down(steps, task.own, now))


def sdedit(task: Task) -> Edited:
    """Return SDEdit: the same noisy latents brought down with either class."""
    now = task.steps.mix(task.latents, task.noise[:, 0], 0) if len(task.steps) else task.latents
    return Edited(_down(task.steps, task.other, now), _down(task.steps, task.own, now))


INVERSIONS: Mapping[str, Callable[[Task], Edited]] = {"ddpm": ddpm, "ddim": ddim, "sdedit": sdedit}


def inversion_of(name: str) -> Callable[[Task], Edited]:
    """Return a way by its name; raises InputError for an unknown one."""
    if name not in INVERSIONS:
        raise InputError(f"edits: inversion {name!r}; expected one of {', '.join(INVERSIONS)}")
    return INVERSIONS[name]


def _mean(steps: Steps, guess: Guess, latents: torch.Tensor, level: int) -> torch.Tensor:
    return steps.mean(*steps.split(latents, guess(latents, level), level), level)


def _down(steps: Steps, guess: Guess, latents: torch.Tensor) -> torch.Tensor:
    """Return the clean latents that DDIM makes of latents at the highest level."""
    for level in range(len(steps)):
        latents = steps.mix(*steps.split(latents, guess(latents, level), level), level + 1)
    return latents
