"""The stage that matches texts with images: its loss by hand, and that it tells words apart."""

from __future__ import annotations

import math

import pytest
import torch

from scripts.lib.generators.controlled.contrast import Matcher, matching_loss, text_numbers


def test_matching_loss_by_hand():
    cosines = torch.tensor([[math.log(3.0), 0.0], [0.0, math.log(3.0)]])
    # Each row and column: softmax of (log 3, 0) = (3/4, 1/4), so the loss is -log(3/4).
    assert matching_loss(cosines, torch.tensor([0, 1])).item() == pytest.approx(-math.log(0.75))
    # Two films with one text: both match, half each: -(log(3/4) + log(1/4)) / 2.
    expected = -(math.log(0.75) + math.log(0.25)) / 2
    assert matching_loss(cosines, torch.tensor([5, 5])).item() == pytest.approx(expected)


def test_equal_texts_have_equal_numbers():
    numbers = text_numbers(["edema", None, "normal", "edema", None]).tolist()
    assert numbers[0] == numbers[3] and numbers[1] == numbers[4] and len(set(numbers)) == 3


def test_better_matches_have_a_lower_loss_and_shapes_hold():
    torch.manual_seed(0)
    cosines = Matcher(3, 5, 16)(torch.randn(6, 3, 5, 5), torch.randn(6, 4, 16))
    assert cosines.shape == (6, 6) and cosines.abs().max() <= 50
    numbers = torch.arange(6)
    assert matching_loss(cosines + 5 * torch.eye(6), numbers) < matching_loss(cosines, numbers)
