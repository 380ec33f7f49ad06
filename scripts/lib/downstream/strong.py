"""Real films, each copy strongly changed once: what augmentation alone is worth, beside images that a generator made.

A copy is the same picture at every pass over it, as an image of a pool is. The trial's own random changes come on top, as for
any film.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scripts.lib.conditions.sides import OTHER_SIDE
from scripts.lib.core.seeds import content_hash, derive_seed, rng
from scripts.lib.downstream.augment import augment_each
from scripts.lib.downstream.data import Films

GREY = ("brightness", "contrast", "gamma", "noise")  # changes that move nothing


def mirrored_name(name: str) -> str:
    """Return a name with left and right exchanged: left_lung for right_lung; one without a side is its own mirror image."""
    return re.sub(r"(?<![a-z])(left|right)(?![a-z])", lambda found: OTHER_SIDE[found[1]], name)


def mirror_order(names: Sequence[str]) -> list[int] | None:
    """Return which of these names stands for each of them on a mirrored film; None where one of them is not there."""
    wanted = [mirrored_name(name) for name in names]
    return [list(names).index(name) for name in wanted] if set(wanted) <= set(names) else None


@dataclass(frozen=True)
class StrongFilms(Films):
    """Rows of a cohort, each changed once: `copies` (n,) numbers the changes, `flipped` (n,) says which are mirrored.

    `labels` are those of the changed film; `other_side` is the structure whose mask a mirrored film shows.
    """

    copies: np.ndarray
    flipped: np.ndarray
    other_side: str | None
    settings: Mapping[str, float]
    seed: int

    def images(self, places: np.ndarray) -> np.ndarray:
        """Return the changed images at these places, uint8 (b, H, W)."""
        changed, _ = self._change(places, torch.from_numpy(super().images(places)).float().div_(255), None)
        return changed.mul(255).round().to(torch.uint8).numpy()

    def targets(self, places: np.ndarray) -> np.ndarray:
        """Return labels float32 (b, L), or masks uint8 0/1 (b, H, W) moved as the films are."""
        if self.labels is not None:
            return self.labels[places]
        masks = np.empty((len(places), self.cohort.resolution, self.cohort.resolution), np.float32)
        for flipped, structure in ((False, self.structure), (True, self.other_side)):
            here = np.flatnonzero(self.flipped[places] == flipped)
            if len(here):
                masks[here] = self.cohort.mask(self.rows[places[here]], structure or "")
        still = {key: 0.0 if key in GREY else value for key, value in self.settings.items()}
        _, moved = self._change(places, torch.zeros(masks.shape), torch.from_numpy(masks), still)
        return moved.to(torch.uint8).numpy()

    def _change(
        self, places: np.ndarray, images: Tensor, masks: Tensor | None, settings: Mapping[str, float] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return images (b, H, W) and their masks (the images, without any) after the changes of these places' copies."""
        if not len(places):
            return images, images
        seeds = [derive_seed(self.seed, "strong", int(copy)) for copy in self.copies[places]]
        mirrored = torch.from_numpy(self.flipped[places])
        with_masks = None if masks is None else masks[:, None]
        changed, moved = augment_each(images[:, None], with_masks, settings or self.settings, seeds, mirrored)
        return changed[:, 0], images if moved is None else moved[:, 0]

    def take(self, places: np.ndarray) -> StrongFilms:
        """Return the films at these places, changed as they are here."""
        labels = None if self.labels is None else self.labels[places]
        own = (self.other_side, self.settings, self.seed)
        return StrongFilms(
            self.cohort, self.rows[places], labels, self.structure, self.copies[places], self.flipped[places], *own
        )

    def digest(self) -> str:
        """Return a hash of pixels, targets and changes."""
        changes = json.dumps(dict(self.settings), sort_keys=True)
        return content_hash(super().digest(), changes, self.seed, self.copies.tolist())


def strong_films(training: Films, places: np.ndarray, settings: Mapping[str, Any], seed: int) -> StrongFilms:
    """Return the films at `places`, the k-th of them with change k; a shorter list begins a longer one.

    settings: those of the trial, with `strong_augment`. A film whose label or structure names a side is mirrored only where the
    cohort has that of the other side, which then takes its place.
    """
    strong = settings["strong_augment"]
    flipped = rng(seed, "strong", "flips").random(len(places)) < strong["hflip"]
    chosen, other_side, order = training.take(places), None, None
    if training.structure is not None:
        other_side = mirrored_name(training.structure)
        if other_side not in training.cohort.structures:
            flipped[:] = False
    else:
        target = settings["target"]
        order = mirror_order([target] if isinstance(target, str) else target)
        if order is None:
            flipped[:] = False
    labels = chosen.labels
    if labels is not None and order is not None:
        labels = np.where(flipped[:, None], labels[:, order], labels)
    copies = np.arange(len(places))
    return StrongFilms(chosen.cohort, chosen.rows, labels, chosen.structure, copies, flipped, other_side, strong, seed)
