"""Random changes to a batch of training images; one call for the whole batch, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(
    images: Tensor, masks: Tensor | None, settings: Mapping[str, float], seed: int
) -> tuple[Tensor, Tensor | None]:
    """Return changed images and their masks, moved alike; the same seed makes the same changes.

    images (B, 1, H, W) float in [0, 1]; masks (B, 1, H, W) float 0/1 or None. Settings:
    `shift` largest shift as share of the side, `scale` largest change of size, `rotation` degrees, `hflip` probability,
    `brightness`, `contrast`, `gamma` largest change (gamma is exp(u)), `noise` largest standard deviation. Grain comes from
    the device's own generator, so it differs between CPU and GPU; drawn on the CPU it would be the slowest part of a step.
    All other draws are made on the CPU and are equal everywhere.
    """
    draws = torch.rand(9, len(images), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return _changed(images, masks, settings, draws, lambda: _grain(images, seed))


def augment_each(
    images: Tensor, masks: Tensor | None, settings: Mapping[str, float], seeds: Sequence[int], mirrored: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the same, each image by a seed of its own and so whatever its neighbours; `mirrored` bool (B,) says which are flipped."""
    own = [torch.rand(9, 1, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    draws = torch.cat(own, dim=1) * 2 - 1
    draws[4] = torch.where(mirrored, -1.0, 1.0)  # below and above the threshold of a probability of one half
    grain = lambda: torch.cat([_grain(images[:1], seed) for seed in seeds])  # noqa: E731
    return _changed(images, masks, {**settings, "hflip": 0.5}, draws, grain)


def _grain(images: Tensor, seed: int) -> Tensor:
    stream = torch.Generator(images.device).manual_seed(seed)
    return torch.randn(images.shape, generator=stream, device=images.device)


def _changed(
    images: Tensor, masks: Tensor | None, settings: Mapping[str, float], draws: Tensor, grain: Callable[[], Tensor]
) -> tuple[Tensor, Tensor | None]:
    if any(settings[key] for key in ("shift", "scale", "rotation", "hflip")):
        images, masks = _move(images, masks, settings, draws)
    brightness, contrast, gamma, noise = (value.view(-1, 1, 1, 1).to(images.device) for value in draws[5:9])
    if settings["gamma"]:
        images = images.clamp(min=1e-4) ** torch.exp(gamma * settings["gamma"])
    images = (images - 0.5) * (1 + contrast * settings["contrast"]) + 0.5 + brightness * settings["brightness"]
    if settings["noise"]:
        images = images + grain() * noise.abs() * settings["noise"]
    return images.clamp(0, 1), masks


def _move(
    images: Tensor, masks: Tensor | None, settings: Mapping[str, float], draws: Tensor
) -> tuple[Tensor, Tensor | None]:
    both = images if masks is None else torch.cat([images, masks], dim=1)
    grid = affine_places(_transforms(settings, draws).to(images.device), *both.shape[2:])
    moved = F.grid_sample(both, grid, padding_mode="zeros", align_corners=False)
    return moved[:, :1], None if masks is None else (moved[:, 1:] > 0.5).float()


def affine_places(matrices: Tensor, height: int, width: int) -> Tensor:
    """Return where each pixel of the output comes from, (B, height, width, 2), x before y, by matrices (B, 2, 3).

    What torch's affine_grid (align_corners=False) returns, to the rounding, for a tenth of its time: it multiplies every
    pixel's place by its matrix, while a place is the sum of a part of its column and a part of its row.
    """
    across, down = ((torch.arange(side, device=matrices.device) * 2 + 1) / side - 1 for side in (width, height))
    by_column = matrices[:, :, 0, None] * across  # (B, 2, width)
    by_row = matrices[:, :, 1, None] * down + matrices[:, :, 2, None]  # (B, 2, height)
    return by_column.mT[:, None] + by_row.mT[:, :, None]


def _transforms(settings: Mapping[str, float], draws: Tensor) -> Tensor:
    """Return affine matrices (B, 2, 3) from output to input coordinates in [-1, 1], from draws in [-1, 1]."""
    turn = draws[0] * (settings["rotation"] * torch.pi / 180)
    zoom = torch.exp(draws[1] * settings["scale"])
    mirror = torch.where(draws[4] < settings["hflip"] * 2 - 1, -1.0, 1.0)
    cos, sin = torch.cos(turn) * zoom, torch.sin(turn) * zoom
    rows = [cos * mirror, -sin, draws[2] * settings["shift"] * 2, sin * mirror, cos, draws[3] * settings["shift"] * 2]
    return torch.stack(rows, dim=1).view(-1, 2, 3)
