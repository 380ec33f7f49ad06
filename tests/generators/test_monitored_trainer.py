"""The training that watches itself, on a toy network with accuracies made by hand: what it keeps, when it stops, how it resumes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from scripts.lib.generators.controlled.monitored_training import MonitoredTrainer
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_toy import CPU, TRAINING

SETTINGS = {**TRAINING, "schedule": "constant", "learning_rate": 0.05, "steps": 12, "monitor_steps": 2, "patience": 2}
RISING = {step: step / 100 for step in range(13)}


class Killed(Exception):
    """Stands for kill -9: nothing more is written."""


def toy(folder, accuracies, kill_at=None, every=0.0, **changes):
    """Train a small network; `accuracies` by step. Return its weights and the monitor; `kill_at`: dies after that check."""
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 1)
    data = torch.arange(40.0).view(10, 4) / 40

    def loss(rows, noise):
        return (network(data[rows]) - 1 + 0.1 * torch.rand(1, generator=noise)).pow(2).mean()

    trainer = MonitoredTrainer({"toy": network}, Section({**SETTINGS, **changes}, "toy"), 3, "toy", CPU)

    def measure():
        if trainer.done == kill_at:
            raise Killed
        return accuracies[trainer.done], 0.0

    monitor = trainer.train_best(loss, 10, Checkpoints(folder, "f", every), measure)
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]), monitor


def steps_of(monitor):
    return monitor[:, 0].tolist()


def test_the_best_check_is_kept_and_it_stops_when_none_is_better(tmp_path):
    """Best at 2; 4 is as good but later, 6 is worse: two checks without a better one, so that step 12 is never made."""
    weights, monitor = toy(tmp_path / "a", {0: 0.5, 2: 0.7, 4: 0.7, 6: 0.6, 8: 0.9})
    assert steps_of(monitor) == [0, 2, 4, 6] and monitor[:, 2].tolist() == [0.5, 0.7, 0.7, 0.6]
    two, _ = toy(tmp_path / "b", RISING, steps=2)
    assert torch.equal(weights, two)


def test_a_later_better_check_wins_and_the_last_step_is_always_checked(tmp_path):
    weights, monitor = toy(tmp_path / "a", {0: 0.9, 3: 0.5, 6: 0.95, 7: 0.94}, steps=7, monitor_steps=3)
    assert steps_of(monitor) == [0, 3, 6, 7]
    six, _ = toy(tmp_path / "b", RISING, steps=6)
    assert torch.equal(weights, six)


def test_when_nothing_is_better_than_the_start_the_start_is_kept(tmp_path):
    torch.manual_seed(0)
    start = torch.cat([parameter.detach().flatten() for parameter in torch.nn.Linear(4, 1).parameters()])
    weights, monitor = toy(tmp_path, dict.fromkeys(range(13), 0.5), patience=3)
    assert torch.equal(weights, start) and steps_of(monitor) == [0, 2, 4, 6]


def test_distance_and_loss_by_hand(tmp_path):
    """|mean of the weights - start| / |start|; the loss is the mean since the last check, none before the first step."""
    _, monitor = toy(tmp_path / "a", RISING, steps=2, monitor_steps=1, ema=0.0)
    torch.manual_seed(0)
    start = torch.cat([parameter.detach().flatten() for parameter in torch.nn.Linear(4, 1).parameters()])
    one, _ = toy(tmp_path / "b", RISING, steps=1, ema=0.0)
    assert math.isnan(monitor[0, 1]) and monitor[0, 4] == 0
    assert monitor[1, 4] == pytest.approx(((one - start).norm() / start.norm()).item(), rel=1e-5)
    _, coarse = toy(tmp_path / "c", RISING, steps=2, monitor_steps=2, ema=0.0)
    assert coarse[1, 1] == pytest.approx((monitor[1, 1] + monitor[2, 1]) / 2)


UP_AND_DOWN = {0: 0.5, 2: 0.6, 4: 0.8, 6: 0.7, 8: 0.75, 10: 0.9, 12: 0.9}


@pytest.mark.parametrize("every", [0.0, 1e9], ids=["stored at each step", "never stored"])
@pytest.mark.parametrize("kill_at", [2, 6, 8])
def test_killed_at_a_check_it_ends_with_the_same_bytes(tmp_path, kill_at, every):
    whole, monitor = toy(tmp_path / "whole", UP_AND_DOWN)
    assert steps_of(monitor) == [0, 2, 4, 6, 8]
    with pytest.raises(Killed):
        toy(tmp_path / "cut", UP_AND_DOWN, kill_at, every)
    again, resumed = toy(tmp_path / "cut", UP_AND_DOWN, every=every)
    assert torch.equal(again, whole) and np.array_equal(resumed, monitor, equal_nan=True)


def test_a_training_that_has_stopped_stays_stopped(tmp_path):
    """Killed after its early stop and before its result was published, it makes no further step and no further check."""
    whole, monitor = toy(tmp_path, UP_AND_DOWN)
    again, resumed = toy(tmp_path, {}, kill_at=8)  # any check would raise
    assert torch.equal(again, whole) and np.array_equal(resumed, monitor, equal_nan=True)


def test_a_training_that_was_done_is_not_measured_again(tmp_path):
    whole, monitor = toy(tmp_path, RISING)
    again, resumed = toy(tmp_path, {})
    assert steps_of(monitor) == [0, 2, 4, 6, 8, 10, 12]
    assert torch.equal(again, whole) and np.array_equal(resumed, monitor, equal_nan=True)
