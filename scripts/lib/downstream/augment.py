"""Random changes to a batch of training images and what they show; one call for the whole batch, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from scripts.lib.downstream.boxes import UNKNOWN, moved_boxes


def augment(
    images: Tensor, shown: Tensor | None, settings: Mapping[str, float], seed: int
) -> tuple[Tensor, Tensor | None]:
    """Return changed images and their masks or boxes, moved alike; the same seed makes the same changes.

    images (B, 1, H, W) float in [0, 1]; `shown`: masks (B, S, H, W) float 0/1, NaN where nobody looked, boxes (B, K, 5)
    (boxes.py; nothing may turn them), or None. Settings:
    `shift` largest shift as share of the side, `scale` largest change of size, `rotation` degrees, `hflip` probability,
    `brightness`, `contrast`, `gamma` largest change (gamma is exp(u)), `noise` largest standard deviation. Grain comes from
    the device's own generator, so it differs between CPU and GPU; drawn on the CPU it would be the slowest part of a step.
    All other draws are made on the CPU and are equal everywhere.
    """
    draws = torch.rand(9, len(images), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return _changed(images, shown, settings, draws, lambda: _grain(images, seed))


def augment_each(
    images: Tensor, shown: Tensor | None, settings: Mapping[str, float], seeds: Sequence[int], mirrored: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the same, each image by a seed of its own and so whatever its neighbours; `mirrored` bool (B,) says which are flipped."""
    each = [torch.rand(9, 1, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    draws = torch.cat(each, dim=1) * 2 - 1
    draws[4] = torch.where(mirrored, -1.0, 1.0)  # below and above the threshold of a probability of one half
    grain = lambda: torch.cat([_grain(images[:1], seed) for seed in seeds])  # noqa: E731
    return _changed(images, shown, {**settings, "hflip": 0.5}, draws, grain)


def _grain(images: Tensor, seed: int) -> Tensor:
    stream = torch.Generator(images.device).manual_seed(seed)
    return torch.randn(images.shape, generator=stream, device=images.device)


def _changed(
    images: Tensor, shown: Tensor | None, settings: Mapping[str, float], draws: Tensor, grain: Callable[[], Tensor]
) -> tuple[Tensor, Tensor | None]:
    if any(settings[key] for key in ("shift", "scale", "rotation", "hflip")):
        images, shown = _move(images, shown, settings, draws)
    brightness, contrast, gamma, noise = (value.view(-1, 1, 1, 1).to(images.device) for value in draws[5:9])
    if settings["gamma"]:
        images = images.clamp(min=1e-4) ** torch.exp(gamma * settings["gamma"])
    images = (images - 0.5) * (1 + contrast * settings["contrast"]) + 0.5 + brightness * settings["brightness"]
    if settings["noise"]:
        images = images + grain() * noise.abs() * settings["noise"]
    return images.clamp(0, 1), shown


def _move(
    images: Tensor, shown: Tensor | None, settings: Mapping[str, float], draws: Tensor
) -> tuple[Tensor, Tensor | None]:
    matrices = _transforms(settings, draws).to(images.device)
    boxes = shown is not None and shown.ndim == 3
    both = images if shown is None or boxes else torch.cat([images, shown], dim=1)
    grid = affine_places(matrices, *both.shape[2:])
    moved = F.grid_sample(both, grid, padding_mode="zeros", align_corners=False)
    if shown is None or boxes:
        return moved, None if shown is None else moved_boxes(shown, matrices, images.shape[-1])
    masks = (moved[:, 1:] > 0.5).float()
    return moved[:, :1], masks.masked_fill(shown.isnan().any(dim=(2, 3), keepdim=True), torch.nan)


def to_float(shown: Tensor) -> Tensor:
    """Return masks uint8 (B, S, H, W) as float, NaN for a structure that nobody looked for; boxes are float already."""
    if shown.dtype != torch.uint8:
        return shown.float()
    values = shown.float()
    return values.masked_fill_(shown == UNKNOWN, torch.nan) if bool((shown == UNKNOWN).any()) else values


def to_stored(masks: Tensor) -> Tensor:
    """Return such masks as uint8 again."""
    return masks.nan_to_num(UNKNOWN).to(torch.uint8)


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
