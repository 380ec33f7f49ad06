"""The noise levels of an edit, and what a network's answer says of clean latents and noise, by the words of the schedule.

Solvers of pools have orders and memories of earlier steps. An edit needs the bare update of one step, backwards and forwards,
so it is written out here: Song et al. 2021 (DDIM, arXiv 2010.02502), equation 12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from scripts.lib.core.errors import InputError
from scripts.lib.generators.solvers import training_scheduler


@dataclass(frozen=True)
class Steps:
    """Levels of noise from the highest to the lowest: `times` long (n,) of the schedule, and `kept` float64 (n + 1,).

    `kept` is the share of the clean signal's variance at each time (diffusers' alphas_cumprod), and 1 after the last step.
    """

    times: torch.Tensor
    kept: torch.Tensor
    prediction: str

    def __len__(self) -> int:
        return len(self.times)

    def split(self, latents: torch.Tensor, guess: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what a network's answer at level `step` says is clean, and what is noise, each (n, C, h, w)."""
        signal, noise = self._roots(step)
        if self.prediction == "v_prediction":
            return signal * latents - noise * guess, noise * latents + signal * guess
        return self.without(latents, guess, step), guess

    def mix(self, clean: torch.Tensor, noise: torch.Tensor, step: int) -> torch.Tensor:
        """Return clean latents with noise at level `step`; the level after the last one is without noise."""
        signal, amount = self._roots(step)
        return signal * clean + amount * noise

    def without(self, latents: torch.Tensor, noise: torch.Tensor, step: int) -> torch.Tensor:
        """Return the clean latents of noisy ones at level `step` whose noise is known: what `mix` undoes."""
        signal, amount = self._roots(step)
        return (latents - amount * noise) / signal

    def mean(self, clean: torch.Tensor, noise: torch.Tensor, step: int) -> torch.Tensor:
        """Return the mean of the next latents in DDPM's reverse step (eta = 1), from level `step` to the one below it."""
        now, below = float(self.kept[step]), float(self.kept[step + 1])
        variance = (1 - below) / (1 - now) * (1 - now / below)
        return below**0.5 * clean + max(1 - below - variance, 0.0) ** 0.5 * noise

    def _roots(self, step: int) -> tuple[float, float]:
        kept = float(self.kept[step])
        return kept**0.5, (1 - kept) ** 0.5


def edit_steps(schedule: Mapping[str, Any], strength: float, steps: int) -> Steps:
    """Return the levels of an edit that begins at the share `strength` of the schedule, `steps` levels for all of it.

    strength 0 has no step at all. Raises InputError for a strength outside of 0 to 1, or more steps than the schedule has.
    """
    scheduler: Any = training_scheduler(schedule)  # diffusers adds what it holds without saying so
    limit = int(scheduler.config.num_train_timesteps)
    if not 0 <= strength <= 1:
        raise InputError(f"edits: strength = {strength}; expected a share of the noise schedule, from 0 to 1")
    if not 1 <= steps < limit:
        raise InputError(
            f"edits.steps = {steps}; this generator's noise schedule of {limit} steps allows 1 to {limit - 1}"
        )
    count = max(1, round(strength * steps)) if strength else 0
    highest = max(strength * (limit - 1), float(count))
    times = torch.tensor([round(highest * (count - place) / count) for place in range(count)], dtype=torch.long)
    kept = torch.cat([scheduler.alphas_cumprod[times].double(), torch.ones(1, dtype=torch.float64)])
    return Steps(times, kept, str(scheduler.config.prediction_type))
