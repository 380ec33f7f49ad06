"""Muon: which weights are turned, what one step does to them by hand, and that a restart goes on with the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scripts.lib.core.errors import InputError
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.loop import Trainer
from scripts.lib.training.optimizers import Muon, groups_of, optimizer_of, orthogonal
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_toy import CPU, TRAINING


def test_matrices_are_the_wide_layers_and_nothing_else() -> None:
    network = nn.ModuleDict(
        {
            "first": nn.Conv2d(4, 16, 1),  # 16 x 4: too narrow
            "wide": nn.Conv2d(16, 8, 3),  # 8 x 144
            "linear": nn.Linear(8, 8),
            "last": nn.Linear(8, 1),  # 1 x 8
            "norm": nn.GroupNorm(2, 8),
            "words": nn.Embedding(100, 8),
            "frozen": nn.Linear(8, 8).requires_grad_(False),
        }
    )
    rest, turned = groups_of(network, True)
    assert [id(weight) for weight in turned["params"]] == [id(network[name].weight) for name in ("wide", "linear")]
    # First and last: weight and bias each; wide, linear: a bias each; norm: two; words: one.
    assert len(rest["params"]) == 4 + 2 + 2 + 1
    assert [len(group["params"]) for group in groups_of(network, False)] == [11]


def test_singular_values_follow_the_polynomial_and_directions_stay() -> None:
    matrix = torch.zeros(1, 3, 2)
    matrix[0, 0, 0], matrix[0, 2, 1] = 3.0, 4.0
    # Length sqrt(9 + 16) = 5, so 0.6 and 0.8; five times x -> 3.4445 x - 4.7750 x^3 + 2.0315 x^5.
    values = np.array([0.6, 0.8])
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    assert ((values > 0.65) & (values < 1.25)).all()
    expected = np.zeros((3, 2))
    expected[0, 0], expected[2, 1] = values
    assert orthogonal(matrix)[0].numpy() == pytest.approx(expected, abs=1e-5)
    assert orthogonal(matrix.mT)[0].numpy() == pytest.approx(expected.T, abs=1e-5)
    assert torch.equal(orthogonal(torch.zeros(1, 3, 2)), torch.zeros(1, 3, 2))


def test_a_step_is_as_long_as_one_of_adamw_and_decays_the_weights() -> None:
    layer = nn.Linear(32, 8, bias=False)
    with torch.no_grad():
        layer.weight.fill_(2.0)
    optimizer = Muon(groups_of(layer, True), 0.1, weight_decay=0.5, fused=True)
    layer.weight.grad = torch.randn(8, 32, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    # 2 * (1 - 0.1 * 0.5) = 1.9, less 0.1 * 0.2 * sqrt(32) of the turned gradient, whose scale does not matter.
    step = (1.9 - layer.weight.detach()) / (0.1 * 0.2 * 32**0.5)
    assert torch.allclose(step, orthogonal(layer.weight.grad[None])[0], atol=1e-4)
    # Eight singular values near 1 in 8 x 32 entries: root mean square sqrt(8 / 256), times sqrt(32) 1, times 0.2: AdamW's.
    assert ((1.9 - layer.weight.detach()) / 0.1).pow(2).mean().sqrt().item() == pytest.approx(0.2, rel=0.25)


def test_other_weights_get_the_bytes_of_adamw_and_rates_hold_for_both() -> None:
    settings = Section({**TRAINING, "matrices": "muon"}, "toy")
    parts = [nn.Sequential(nn.Linear(8, 8), nn.GroupNorm(1, 8)) for _ in range(2)]
    parts[1].load_state_dict(parts[0].state_dict())
    for part, kind in zip(parts, ("muon", "adamw")):
        optimizer = optimizer_of({"a": part}, Section({**settings, "matrices": kind}, "toy"), {"a": 0.25})
        assert {group["rate"] for group in optimizer.param_groups} == {0.25}
        part(torch.arange(16.0).view(2, 8)).pow(3).sum().backward()
        optimizer.step()
    muon, adamw = (part.state_dict() for part in parts)
    same = {name: torch.equal(muon[name], adamw[name]) for name in muon}
    assert same == {"0.weight": False, "0.bias": True, "1.weight": True, "1.bias": True}
    with pytest.raises(InputError, match=r"toy\.matrices = 'lion'; expected one of adamw, muon"):
        optimizer_of({}, Section({**settings, "matrices": "lion"}, "toy"), {})


def test_a_restarted_training_ends_with_the_same_bytes(tmp_path: Path) -> None:
    def trained(folder: Path, steps: int) -> torch.Tensor:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 8, 1))
        network = network.to(memory_format=torch.channels_last)
        settings = Section({**TRAINING, "matrices": "muon", "schedule": "constant", "steps": steps}, "toy")

        def loss(rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
            films = torch.randn(len(rows), 8, 4, 4, generator=noise).contiguous(memory_format=torch.channels_last)
            return (network(films) - films.flip(3)).pow(2).mean()

        Trainer({"toy": network}, settings, 3, "toy", CPU).train(loss, 10, Checkpoints(folder, "f", 0))
        return torch.cat([weight.detach().flatten() for weight in network.parameters()])

    trained(tmp_path / "halves", 3)
    assert torch.equal(trained(tmp_path / "halves", 6), trained(tmp_path / "whole", 6))
