"""The places that a random change of a film reads from: those of torch's own affine_grid, and some by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import affine_grid

from scripts.lib.downstream.augment import affine_places, augment


@pytest.mark.parametrize(("height", "width"), [(64, 64), (1, 5), (6, 4), (224, 224)])
def test_places_are_those_of_affine_grid(height, width):
    matrices = torch.eye(2, 3).expand(3, 2, 3) + torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(1)) * 0.3
    made = affine_places(matrices, height, width)
    assert made.shape == (3, height, width, 2)
    assert torch.allclose(made, affine_grid(matrices, [3, 1, height, width], align_corners=False), atol=1e-6)


def test_places_by_hand():
    """Two rows and four columns have their middles at y = -1/2, 1/2 and x = -3/4, -1/4, 1/4, 3/4."""
    matrix = torch.tensor([[[2.0, 10.0, 100.0], [3.0, 20.0, 200.0]]])
    made = affine_places(matrix, 2, 4)
    assert made[0, 0, 0].tolist() == [2 * -0.75 + 10 * -0.5 + 100, 3 * -0.75 + 20 * -0.5 + 200]
    assert made[0, 1, 3].tolist() == [2 * 0.75 + 10 * 0.5 + 100, 3 * 0.75 + 20 * 0.5 + 200]


def test_nothing_to_change_moves_nothing():
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    masks = (images > 0.5).float()
    still = dict.fromkeys(("scale", "rotation", "hflip", "brightness", "contrast", "gamma", "noise"), 0.0)
    moved, shown = augment(images, masks, {**still, "shift": 1e-9}, seed=3)
    assert torch.allclose(moved, images, atol=1e-6) and torch.equal(shown, masks)
