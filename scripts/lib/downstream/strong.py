"""Real films, each copy strongly changed once: what augmentation alone is worth, beside images that a generator made.

A copy is the same picture at every pass over it, as an image of a pool is. The trial's own random changes come on top, as for
any film.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scripts.lib.conditions.sides import OTHER_SIDE
from scripts.lib.core.seeds import content_hash, derive_seed, rng
from scripts.lib.downstream.augment import augment_each, to_float, to_stored
from scripts.lib.downstream.boxes import joined
from scripts.lib.downstream.data import Films
from scripts.lib.study.tasks import targets_of

GREY = ("brightness", "contrast", "gamma", "noise")  # changes that move nothing


def mirrored_name(name: str) -> str:
    """Return a name with left and right exchanged: left_lung for right_lung; one without a side is its own mirror image."""
    return re.sub(r"(?<![a-z])(left|right)(?![a-z])", lambda match: OTHER_SIDE[match[1]], name)


def mirror_order(names: Sequence[str]) -> list[int] | None:
    """Return which of these names stands for each of them on a mirrored film; None where one of them is not there."""
    wanted = [mirrored_name(name) for name in names]
    return [list(names).index(name) for name in wanted] if set(wanted) <= set(names) else None


@dataclass(frozen=True)
class StrongFilms(Films):
    """Rows of a cohort, each changed once: `copies` (n,) numbers the changes, `flipped` (n,) says which are mirrored.

    `labels` are those of the changed film; `other_side` are the structures that a mirrored film shows in place of its own.
    """

    copies: np.ndarray
    flipped: np.ndarray
    other_side: tuple[str, ...]
    settings: Mapping[str, float]
    seed: int

    def images(self, places: np.ndarray) -> np.ndarray:
        """Return the changed images at these places, uint8 (b, H, W)."""
        changed, _ = self._change(places, torch.from_numpy(super().images(places)).float().div_(255), None)
        return changed.mul(255).round().to(torch.uint8).numpy()

    def targets(self, places: np.ndarray) -> np.ndarray:
        """Return labels float32 (b, L), or masks uint8 (b, S, H, W) or boxes (b, K, 5) moved as the films are."""
        if self.labels is not None:
            return self.labels[places]
        flipped, side = self.flipped[places], self.cohort.resolution
        shown = joined(
            *(
                self.shown(places[flipped == one], names)
                for one, names in ((False, self.structures), (True, self.other_side))
            )
        )
        shown = shown[np.argsort(np.argsort(flipped, kind="stable"), kind="stable")]
        still = {key: 0.0 if key in GREY else value for key, value in self.settings.items()}
        _, moved = self._change(
            places, torch.zeros((len(places), side, side)), to_float(torch.from_numpy(shown)), still
        )
        return moved.numpy() if self.outlines is not None else to_stored(moved).numpy()

    def _change(
        self, places: np.ndarray, images: Tensor, masks: Tensor | None, settings: Mapping[str, float] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return images (b, H, W) and their masks (the images, without any) after the changes of these places' copies."""
        if not len(places):
            return images, images if masks is None else masks
        seeds = [derive_seed(self.seed, "strong", int(copy)) for copy in self.copies[places]]
        mirrored = torch.from_numpy(self.flipped[places])
        changed, moved = augment_each(images[:, None], masks, settings or self.settings, seeds, mirrored)
        return changed[:, 0], images if moved is None else moved

    def take(self, places: np.ndarray) -> StrongFilms:
        """Return the films at these places, changed as they are here."""
        return replace(self, copies=self.copies[places], flipped=self.flipped[places], **self._taken(places))

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
    chosen, order = training.take(places), None
    other_side = tuple(mirrored_name(name) for name in training.structures)
    if training.structures:
        if not set(other_side) <= set(training.cohort.structures):
            flipped[:] = False
    else:
        order = mirror_order(targets_of(settings))
        if order is None:
            flipped[:] = False
    labels = chosen.labels
    if labels is not None and order is not None:
        labels = np.where(flipped[:, None], labels[:, order], labels)
    copies = np.arange(len(places))
    own = (chosen.cohort, chosen.rows, labels, chosen.structures, copies, flipped, other_side, strong, seed)
    return StrongFilms(*own, known=chosen.known, outlines=chosen.outlines)
