"""Masks as a few numbers: how far each part's map differs from the mean along the main directions of real masks.

A part has a first number that says whether it is there (1 or -1), and one for each direction, of spread 1 among the real masks
that show it. Absent parts have 0 there. A structure that does not survive this coding is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.generators.masks.coding import MaskCode

LEAST_DICE = 0.8
LEAST_SPREAD = 1e-3  # of a direction that counts, relative to the first one's; below lies rounding
PRESENCE = 2.0  # weight of the number that says whether a part is there, beside the first direction's 1
FALL = 0.7  # power of a direction's spread, relative to the first one's, that is its weight


@dataclass
class MaskBasis:
    """Means (parts, grid * grid), directions (parts, k, grid * grid) times their spread, and spreads (parts, k).

    A part of few real masks has fewer directions; the spread of those it lacks is 0.
    """

    code: MaskCode
    means: torch.Tensor
    directions: torch.Tensor
    spreads: torch.Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Parts and numbers of each."""
        return self.spreads.shape[0], self.spreads.shape[1] + 1

    @property
    def used(self) -> torch.Tensor:
        """Which numbers mean something, 1 or 0, float (parts, k + 1)."""
        return torch.cat([torch.ones(len(self.spreads), 1), (self.spreads > 0).float()], 1)

    @property
    def weights(self) -> torch.Tensor:
        """What an error in each number counts, float (parts, k + 1)."""
        first = self.spreads[:, :1].clamp(min=1e-12)
        return torch.cat([torch.full((len(self.spreads), 1), PRESENCE), (self.spreads / first) ** FALL], 1) * self.used

    def encode(self, fields: np.ndarray) -> torch.Tensor:
        """Return the numbers of fields, uint8 (n, H, W), float32 (n, parts, k + 1)."""
        numbers = torch.zeros(len(fields), *self.shape)
        for place, part in enumerate(self.code.parts):
            there = self.code.cut(fields, part).any((1, 2))
            numbers[:, place, 0] = torch.from_numpy(np.where(there, 1.0, -1.0)).float()
            rest = self.code.maps(fields[there], part).flatten(1) - self.means[place]
            squares = self.directions[place].pow(2).sum(1).clamp(min=1e-12)
            numbers[torch.from_numpy(there), place, 1:] = rest @ self.directions[place].T / squares
        return numbers * self.used

    def decode(self, numbers: torch.Tensor, places: list[int], fields: np.ndarray) -> np.ndarray:
        """Return `fields`, uint8 (n, H, W), with the parts at `places` added; those of the anatomy first, as frames need it."""
        made = fields.copy()
        parts = self.code.parts
        for place in sorted(places, key=lambda one: (self.code.frame_of(parts[one]) != "", one)):
            there = numbers[:, place, 0] > 0
            if not there.any():
                continue
            maps = self.means[place] + numbers[there][:, place, 1:] @ self.directions[place]
            shown = self.code.layers(
                maps.reshape(-1, self.code.grid, self.code.grid), made[there.numpy()], parts[place]
            )
            made[there.numpy()] |= shown.astype(np.uint8) << np.uint8(
                self.code.structures.index(parts[place].structure)
            )
        return made


def fit_basis(code: MaskCode, fields: np.ndarray, looked: np.ndarray, most: int) -> MaskBasis:
    """Return the basis of real masks, uint8 (n, H, W); `looked` bool (n, parts): which parts of each may be used.

    `most` is the number of directions of a part.
    """
    pixels = code.grid**2
    means, spreads = torch.zeros(len(code.parts), pixels), torch.zeros(len(code.parts), most)
    directions = torch.zeros(len(code.parts), most, pixels)
    for place, part in enumerate(code.parts):
        chosen = fields[looked[:, place]]
        chosen = chosen[code.cut(chosen, part).any((1, 2))]
        if not len(chosen):
            continue
        maps = code.maps(chosen, part).flatten(1)
        means[place] = maps.mean(0)
        _, sizes, found = torch.linalg.svd(maps - means[place], full_matrices=False)
        sizes = sizes / len(maps) ** 0.5
        count = min(most, int((sizes > LEAST_SPREAD * sizes[:1].clamp(min=1.0)).sum()))
        spreads[place, :count] = sizes[:count]
        directions[place, :count] = found[:count] * sizes[:count, None]
    return MaskBasis(code, means, directions, spreads)


def round_trip(basis: MaskBasis, fields: np.ndarray) -> dict[str, float]:
    """Return by structure the median Dice of masks, uint8 (n, H, W), with what is left of them; of those that show it."""
    code = basis.code
    places = list(range(len(code.parts)))
    back = basis.decode(basis.encode(fields), places, np.zeros_like(fields))
    dice = {}
    for name in code.structures:
        before, after = code.layer(fields, name), code.layer(back, name)
        shown = before.any((1, 2))
        both = (before & after).sum((1, 2))[shown]
        total = before.sum((1, 2))[shown] + after.sum((1, 2))[shown]
        dice[name] = float(np.median(2 * both / total)) if shown.any() else float("nan")
    return dice


def check_round_trip(basis: MaskBasis, fields: np.ndarray) -> dict[str, float]:
    """Return `round_trip`; raises InputError for a structure that the coding would lose."""
    dice = round_trip(basis, fields)
    for name, value in dice.items():
        if value < LEAST_DICE:
            raise InputError(
                f"masks: {name} comes back from the coding with a Dice of {value:.2f}, below {LEAST_DICE}; raise masks.grid "
                f"(now {basis.code.grid}), masks.directions (now {basis.shape[1] - 1}) or study.resolution, or leave {name} out "
                f"of the dataset's structures"
            )
    return dice
