"""From stored films to a model's input, a batch at a time: what the model's own PIL transform does to one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from scripts.lib.core.errors import InputError


@dataclass(frozen=True)
class Preprocessing:
    """A model's input: side in pixels, interpolation, and the mean and standard deviation of grey values in [0, 1]."""

    side: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, settings: Mapping[str, Any], source: str) -> Preprocessing:
        """Read open_clip's preprocessing of a model; raises InputError for an input that is not square.

        Films are square, so open_clip's ways to fit the rest (shortest, longest, squash) all come to one resize.
        """
        size = settings["size"]
        height, width = (size, size) if isinstance(size, int) else tuple(size)
        if height != width:
            raise InputError(f"{source}: input of {height} x {width} pixels; expected a model with a square input")
        interpolation = "bilinear" if settings["interpolation"] == "bilinear" else "bicubic"
        return cls(int(height), interpolation, tuple(settings["mean"]), tuple(settings["std"]))

    def resize(self, images: np.ndarray) -> torch.Tensor:
        """Return grey images uint8 (n, H, H) as uint8 (n, 1, side, side), antialiased as PIL resizes them.

        Both round after each of two passes. They differ by at most one grey level in a few pixels where films shrink
        (the usual case), and by two where they are enlarged.
        """
        pixels = torch.from_numpy(images)[:, None]
        if images.shape[-1] == self.side:
            return pixels
        size = (self.side, self.side)
        return functional.interpolate(pixels, size, mode=self.interpolation, align_corners=False, antialias=True)

    def __call__(self, images: np.ndarray) -> torch.Tensor:
        """Return the model's input, float32 (n, 3, side, side), of grey images uint8 (n, H, H)."""
        grey = self.resize(images).float().div_(255.0).expand(-1, 3, -1, -1)
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (self.mean, self.std))
        return (grey - mean) / std
