"""Masks as numbers that a network can learn: each structure a truncated signed distance, reduced and folded into channels.

The distance is positive inside, in pixels of the mask, cut at `reach` and divided by it, so that values lie in [-1, 1]. It is
averaged over `factor` x `factor` pixels, and `fold` x `fold` of those become channels: at 64 pixels with 2 and 2 a structure has
4 channels on a grid of 16 x 16. Decoding unfolds, enlarges and takes what is above 0. No autoencoder and no colours: structures
may overlap, and none is mistaken for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from scripts.lib.core.errors import InputError

LEAST_DICE = 0.8


@dataclass(frozen=True)
class MaskCode:
    """How fields of `structures` at `resolution` are coded."""

    structures: tuple[str, ...]
    resolution: int
    factor: int
    fold: int
    reach: float

    @property
    def side(self) -> int:
        """Side of the grid."""
        return self.resolution // (self.factor * self.fold)

    @property
    def each(self) -> int:
        """Channels of one structure."""
        return self.fold**2

    @property
    def channels(self) -> int:
        """Channels of all structures, those of structure c from c * each on."""
        return len(self.structures) * self.each

    def encode(self, fields: np.ndarray) -> torch.Tensor:
        """Return fields, uint8 (n, H, W) with bit c = structure c, as float32 (n, channels, side, side)."""
        layers = np.stack([(fields >> np.uint8(bit)) & 1 for bit in range(len(self.structures))], axis=1)
        flat = layers.reshape(-1, self.resolution, self.resolution).astype(bool)
        maps = (
            np.stack([signed_distance(layer, self.reach) for layer in flat]) if len(flat) else flat.astype(np.float32)
        )
        shape = (len(fields), len(self.structures), self.resolution, self.resolution)
        whole = torch.from_numpy(maps.astype(np.float32)).reshape(shape)
        small = torch.nn.functional.avg_pool2d(whole, self.factor)
        return torch.nn.functional.pixel_unshuffle(small, self.fold)

    def decode(self, maps: torch.Tensor) -> np.ndarray:
        """Return fields uint8 (n, H, W) of maps float (n, channels, side, side)."""
        small = torch.nn.functional.pixel_shuffle(maps.float(), self.fold)
        whole = torch.nn.functional.interpolate(small, scale_factor=self.factor, mode="bilinear", align_corners=False)
        inside = (whole > 0).cpu().numpy().astype(np.uint8)
        bits = np.array([1 << bit for bit in range(len(self.structures))], dtype=np.uint8).reshape(1, -1, 1, 1)
        return np.asarray((inside * bits).sum(axis=1, dtype=np.uint8))

    def chosen(self, places: Sequence[int]) -> list[int]:
        """Return the channels of some structures, by their places."""
        return [channel for place in places for channel in range(place * self.each, (place + 1) * self.each)]


def make_code(structures: Sequence[str], resolution: int, factor: int, fold: int, reach: float) -> MaskCode:
    """Return the code; raises InputError for structures or sizes that cannot be coded."""
    if len(structures) > 8:
        raise InputError(
            f"masks: {len(structures)} structures, but a mask field has 8 bits; name 8 in datasets.*.structures"
        )
    if resolution % (factor * fold):
        raise InputError(
            f"settings: masks.factor = {factor} and masks.fold = {fold}: their product must divide masks of {resolution} pixels"
        )
    return MaskCode(tuple(structures), resolution, factor, fold, float(reach))


def signed_distance(mask: np.ndarray, reach: float) -> np.ndarray:
    """Return the distance of each pixel of a mask, bool (H, W), to its edge over `reach`, positive inside, in [-1, 1].

    The edge lies between pixels: a pixel beside it has half a pixel of distance. Without a mask all is -1, all of it 1.
    """
    if not mask.any():
        return np.full(mask.shape, -1.0, dtype=np.float32)
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1] if not mask.all() else reach + 1
    distance = np.where(mask, inside - 0.5, 0.5 - outside)
    return np.clip(distance / reach, -1.0, 1.0).astype(np.float32)


def round_trip(code: MaskCode, fields: np.ndarray) -> dict[str, float]:
    """Return by structure the median Dice of masks, uint8 (n, H, W), with what is left of them; of those that show it."""
    back = code.decode(code.encode(fields))
    dice = {}
    for bit, name in enumerate(code.structures):
        before, after = ((one >> np.uint8(bit)) & 1 == 1 for one in (fields, back))
        shown = before.any((1, 2))
        both = (before & after).sum((1, 2))[shown]
        total = before.sum((1, 2))[shown] + after.sum((1, 2))[shown]
        dice[name] = float(np.median(2 * both / total)) if shown.any() else float("nan")
    return dice


def check_round_trip(code: MaskCode, fields: np.ndarray) -> dict[str, float]:
    """Return `round_trip`; raises InputError for a structure that the coding would lose."""
    dice = round_trip(code, fields)
    for name, value in dice.items():
        if value < LEAST_DICE:
            raise InputError(
                f"masks: {name} comes back from the coding with a Dice of {value:.2f}, below {LEAST_DICE}; lower masks.factor "
                f"(now {code.factor}), raise study.resolution, or leave {name} out of the dataset's structures"
            )
    return dice
