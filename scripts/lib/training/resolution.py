"""Bring images to another square size, when a model works at another resolution than the study stores."""

from __future__ import annotations

import numpy as np
import torch


def fit_images(images: np.ndarray, resolution: int) -> np.ndarray:
    """Return images uint8 (n, H, W) at (n, resolution, resolution): averaged when smaller, bilinear when larger."""
    if images.shape[-1] == resolution:
        return images
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(images)[:, None].float(),
        size=(resolution, resolution),
        mode="bilinear",
        align_corners=False,
        antialias=resolution < images.shape[-1],
    )
    return resized.round().clamp(0, 255).to(torch.uint8)[:, 0].numpy()
