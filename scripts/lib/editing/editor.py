"""Counterfactual films: the same child with another class, by what the class changes in a generator's latents.

Difference transfer: edited = film + D(latents of the other class) - D(latents of the own class), cut to grey values. What the
autoencoder loses of a film is not lost in its edit, and where both classes are the same the film comes back byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import derive_seed
from scripts.lib.editing.inversion import Task, inversion_of
from scripts.lib.editing.steps import Steps, edit_steps
from scripts.lib.generators.protocol import Condition, Model
from scripts.lib.training.settings import Section


class Editable(Model, Protocol):
    """A generator that follows classes and has the encoder of its latents."""

    classes: list[str]

    def encode(self, images: np.ndarray) -> torch.Tensor:
        """Return the scaled latents (n, C, h, w), float32, of films uint8 (n, H, W): the means of what the encoder says."""


class Editor:
    """Edit films with a generator; `settings` holds `steps` (levels of the whole schedule) and `micro_batch`, `seed` the study's."""

    def __init__(self, model: Any, settings: Section, seed: int, what: str) -> None:
        if not hasattr(model, "encode") or not hasattr(model, "classes"):
            raise InputError(
                f"{what}: this generator follows no classes, so it cannot edit films; give one of kind class-ldm"
            )
        self.model: Editable = model
        self.settings, self.seed = settings, seed

    def number(self, name: str) -> int:
        """Return the number of a class; raises InputError for one that the generator does not know."""
        if name not in self.model.classes:
            raise InputError(f"edit: no class {name}; the generator knows {', '.join(self.model.classes)}")
        return self.model.classes.index(name)

    def edit(
        self, films: np.ndarray, names: Sequence[str], own: np.ndarray, other: np.ndarray, way: str, strength: float,
        guidance: float,
    ) -> np.ndarray:  # fmt: skip
        """Return films uint8 (n, H, W) of classes `own` int (n,) as films of classes `other`, the same form.

        names     identifiers, which seed the noise: a film's edit depends on neither batch nor neighbours
        way       one of INVERSIONS; strength: share of the noise schedule, 0 to 1; guidance: 1 is none
        """
        side = self.model.resolution
        if films.shape[1:] != (side, side):
            raise InputError(f"{names[0]}: a film of {films.shape[2]} x {films.shape[1]} pixels; this generator edits films of {side} x {side}")  # fmt: skip
        steps = edit_steps(self.model.schedule, strength, self.settings["steps"])
        size, parts = self.settings["micro_batch"], [np.zeros((0, side, side), np.uint8)]
        for first in range(0, len(films), size):
            here = np.minimum(np.arange(first, first + size), len(films) - 1)  # padded: one shape, one set of low bits
            noise = torch.stack([self._noise(names[row], len(steps)) for row in here])
            made = self._batch(films[here], noise, own[here], other[here], way, steps, guidance)
            parts.append(made[: len(films) - first])
        return np.concatenate(parts)

    def _noise(self, name: str, levels: int) -> torch.Tensor:
        """Return one film's noise (levels, C, h, w): another draw at every level."""
        source = torch.Generator("cpu").manual_seed(derive_seed(self.seed, "edit", self.model.lineage, name))
        return torch.randn((levels, *self.model.shape), generator=source)

    @torch.inference_mode()
    def _batch(
        self, films: np.ndarray, noise: torch.Tensor, own: np.ndarray, other: np.ndarray, way: str, steps: Steps,
        guidance: float,
    ) -> np.ndarray:  # fmt: skip
        model, inverted = self.model, inversion_of(way)
        guesses = (self._guess(own, steps, guidance), self._guess(other, steps, guidance), self._guess(own, steps, 1.0))
        inverse = inverted(Task(model.encode(films), steps, noise.to(model.device), *guesses))
        change = (model.decode(inverse.other) - model.decode(inverse.own)).float().mean(1) * 127.5
        if not torch.isfinite(change).all():
            raise InputError("edit: a changed film is not finite; lower the guidance, or set sampling.precision: fp32")
        edited = torch.from_numpy(films).to(change.device).float() + change
        return np.asarray(edited.clamp(0, 255).round().to(torch.uint8).cpu().numpy())

    def _guess(self, classes: np.ndarray, steps: Steps, guidance: float) -> Any:
        """Return what answers for these classes, led away from the null class where guidance is above 1."""
        model = self.model
        shown: Condition = {"class": torch.from_numpy(classes).to(model.device)}
        null = {"class": torch.full_like(shown["class"], len(model.classes))}
        both = {"class": torch.cat([null["class"], shown["class"]])}

        def guess(latents: torch.Tensor, level: int) -> torch.Tensor:
            time = steps.times[level]
            if guidance <= 1:
                return model.predict(latents, time, shown)
            without, within = model.predict(torch.cat([latents, latents]), time, both).chunk(2)
            return without + guidance * (within - without)

        return guess
