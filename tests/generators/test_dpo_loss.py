"""Diffusion-DPO's loss by hand."""

from __future__ import annotations

import math

import pytest
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.preference_loss import insides, orders, preference_loss

NAN = float("nan")


def loss(w, o, sw, sl, beta=5000.0, weighting="none"):
    w, o, sw, sl = torch.as_tensor([w]), torch.as_tensor([o]), torch.tensor([sw]), torch.tensor([sl])
    return preference_loss(insides(w, o, sw, sl, beta, weighting), orders(sw, sl))


def test_at_the_reference_it_is_log_2():
    for scores in (([4.0, NAN], [1.0, NAN]), ([NAN, 4.0], [NAN, 1.0]), ([4.0, 3.0], [1.0, 2.0])):
        assert loss(0.0, 0.0, *scores).item() == pytest.approx(math.log(2))


def test_by_hand():
    # -10/2 * (-0.1 - 0.1) = 1; -log sigmoid(1) = log(1 + e^-1) = 0.313262
    assert loss(-0.1, 0.1, [4.0, NAN], [1.0, NAN], 10.0).item() == pytest.approx(0.313262, abs=1e-6)
    # score: -10/2 * (4/5 * -0.1 - 1/5 * 0.1) = 0.5; log(1 + e^-0.5) = 0.474077
    assert loss(-0.1, 0.1, [4.0, NAN], [1.0, NAN], 10.0, "score").item() == pytest.approx(0.474077, abs=1e-6)
    # the aspects disagree: (log(1 + e^-1) + log(1 + e^1)) / 2 = (0.313262 + 1.313262) / 2
    assert loss(-0.1, 0.1, [4.0, 1.0], [1.0, 4.0], 10.0).item() == pytest.approx(0.813262, abs=1e-6)


def test_ties_and_absent_conditions():
    assert loss(-0.1, 0.1, [NAN, NAN], [NAN, NAN]).item() == 0
    assert loss(-0.1, 0.1, [2.0, 3.0], [2.0, 3.0]).item() == 0
    assert loss(-0.1, 0.1, [4.0, 3.0], [1.0, 3.0], 10.0) == loss(-0.1, 0.1, [4.0, NAN], [1.0, NAN], 10.0)


def test_the_gradient_lowers_the_winners_error_and_raises_the_losers():
    w, o = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    sw, sl = torch.tensor([[4.0, NAN]]), torch.tensor([[1.0, NAN]])
    preference_loss(insides(w, o, sw, sl, 8.0), orders(sw, sl)).sum().backward()
    assert w.grad.item() == pytest.approx(2.0) and o.grad.item() == pytest.approx(-2.0)  # beta/2 * sigmoid(0)


@pytest.mark.parametrize("weighting", ["none", "score"])
def test_swapping_names_changes_nothing_swapping_scores_the_sign_and_beta_scales(weighting):
    w, o = torch.tensor([0.2]), torch.tensor([-0.3])
    sw, sl = torch.tensor([[4.0, 2.0]]), torch.tensor([[1.0, 3.0]])
    inside = insides(w, o, sw, sl, 10.0, weighting)
    assert torch.allclose(inside, insides(o, w, sl, sw, 10.0, weighting))
    assert torch.allclose(3 * inside, insides(w, o, sw, sl, 30.0, weighting))
    if weighting == "none":
        assert torch.allclose(-inside, insides(w, o, sl, sw, 10.0, weighting))


def test_an_unknown_weighting_is_refused():
    with pytest.raises(InputError, match="weighting = 'rank'"):
        loss(0.0, 0.0, [4.0, NAN], [1.0, NAN], 1.0, "rank")
