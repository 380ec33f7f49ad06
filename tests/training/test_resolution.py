"""Films of another side than a model takes: averaged or interpolated."""

from __future__ import annotations

import numpy as np

from scripts.lib.training.resolution import fit_images


def test_other_sizes_are_averaged_or_interpolated():
    images = np.arange(16, dtype=np.uint8).reshape(1, 4, 4) * 10
    assert fit_images(images, 4) is images
    assert fit_images(images, 8).shape == (1, 8, 8)
    small = fit_images(np.full((1, 8, 8), 77, np.uint8), 4)
    assert small.shape == (1, 4, 4) and (small == 77).all()
