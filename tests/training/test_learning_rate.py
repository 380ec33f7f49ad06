"""One learning-rate schedule for every training: the values of a formula, and what the optimizers really get."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.data import films_of
from scripts.lib.downstream.models import build_model
from scripts.lib.downstream.training import Material, Training
from scripts.lib.study.config import CONFIG_FILE, read_study, with_training
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.learning_rate import learning_rate, rate_at, warmup_steps
from scripts.lib.training.loop import Trainer
from tests.helpers.diffusion_toy import toy
from tests.helpers.downstream_films import SIDE, settings_for, write_films

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (0, 1 / 11),  # 10 steps of warm-up: 1/11, 2/11 ... 10/11
        (9, 10 / 11),
        (10, 1.0),  # the end of the warm-up, where the cosine begins
        (55, 0.5),  # half way from 10 to 100
        (99, 0.5 * (1 + math.cos(math.pi * 89 / 90))),  # the last step: 0.0003
    ],
)
def test_a_rise_then_a_cosine_from_its_end(step: int, share: float) -> None:
    assert learning_rate(step, 100, 0.8, 10, "cosine") == pytest.approx(0.8 * share)
    assert learning_rate(step, 100, 0.8, 10, "constant") == pytest.approx(0.8 * share if step < 10 else 0.8)


@pytest.mark.parametrize("warmup", [0, 1, 7.5, 40, 99])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_every_schedule_reaches_its_peak_and_is_continuous(warmup: float, schedule: str) -> None:
    rates = [learning_rate(step, 100, 2.0, warmup, schedule) for step in range(100)]
    assert max(rates) == pytest.approx(2.0, rel=1e-3) and min(rates) > 0
    assert rates.index(max(rates)) == math.ceil(warmup)
    longest = 2.0 * max(
        1 / (warmup + 1), math.pi / 2 / (100 - warmup)
    )  # one step of the rise, the steepest of the fall
    assert max(abs(b - a) for a, b in zip(rates, rates[1:])) <= longest * 1.001


def test_mgca_as_published_peaks_at_its_rate_after_40_percent_of_its_steps() -> None:
    """CosineAnnealingWarmupRestarts(first_cycle_steps=steps, max_lr=2e-5, warmup_steps=0.4 * steps)."""
    own = with_training(read_study([CONFIG_FILE, ROOT / "studies" / "paper.yaml"]))["mgca"]
    steps, warmup = own["steps"], own["warmup"]
    assert warmup == 0.4 * steps and own["schedule"] == "cosine"
    at = {
        step: learning_rate(step, steps, own["learning_rate"], warmup, own["schedule"])
        for step in (0, warmup // 2, warmup, (steps + warmup) // 2, steps - 1)
    }
    assert list(at.values()) == pytest.approx([0, 1e-5, 2e-5, 1e-5, 0], abs=1e-9)


def test_trainings_of_generators_encoders_and_the_proxy_get_these_rates(tmp_path: Path, monkeypatch) -> None:
    seen: list[float] = []
    stepped = Trainer._step
    monkeypatch.setattr(
        Trainer,
        "_step",
        lambda self, *given: (stepped(self, *given), seen.append(self.optimizer.param_groups[0]["lr"]))[0],
    )
    toy(tmp_path, steps=12, warmup=4, learning_rate=0.01, schedule="cosine")
    assert seen == pytest.approx([learning_rate(step, 12, 0.01, 4, "cosine") for step in range(12)])
    assert max(seen) == seen[4] == 0.01


def test_a_warm_up_that_never_ends_is_told(tmp_path: Path, capsys) -> None:
    toy(tmp_path, steps=3, warmup=30, learning_rate=0.31)
    # 3 / 31 of 0.31
    assert "ends at 0.03 and never reaches 0.31; lower toy.warmup" in capsys.readouterr().err


def test_trials_get_these_rates(tmp_path: Path) -> None:
    own: dict[str, Any] = {"budget": {"kind": "steps", "steps": 10}, "schedule": "cosine", "warmup": 0.25}
    settings = settings_for("classification", **own)
    cohort = write_films(tmp_path / "cohort", 8)
    films = films_of(cohort, np.arange(8), "classification", settings["target"])
    placement = Placement(torch.device("cpu"), torch.float32)
    training = Training(build_model(settings, 1, SIDE, 1), Material(films, None, films), settings, placement, 1)
    seen, stepped = [], training.optimizer.step
    training.optimizer.step = lambda: (seen.append(training.optimizer.param_groups[0]["lr"]), stepped())[1]
    training.run(Checkpoints(tmp_path / "checkpoint", "key", 1000), "state")
    peak = settings["optimizer"]["learning_rate"]
    assert seen == pytest.approx([learning_rate(step, 10, peak, 2.5, "cosine") for step in range(10)])


@pytest.mark.parametrize(("warmup", "steps"), [(0, 0), (30, 30), (900, 900), (0.0, 0), (0.25, 50), (0.1, 20)])
def test_a_warm_up_is_steps_or_with_a_point_a_share_of_200(warmup: float, steps: float) -> None:
    assert warmup_steps({"warmup": warmup}, 200) == pytest.approx(steps)
    settings = {"warmup": warmup, "schedule": "constant"}
    assert [rate_at(step, 200, 0.5, settings) for step in (0, 100)] == pytest.approx(
        [0.5 / (steps + 1), 0.5 * min(1, 101 / (steps + 1))]
    )


def test_a_schedule_of_another_name_is_refused() -> None:
    with pytest.raises(InputError, match="settings: schedule = 'line'; expected one of cosine, constant"):
        rate_at(0, 10, 1.0, {"warmup": 0, "schedule": "line"})
