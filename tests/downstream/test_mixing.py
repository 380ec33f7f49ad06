"""Mixings in which images come before the real films, or alone: what is shown when, restarts, and a kill in either part."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.sampler import Mixture
from scripts.lib.downstream.training import Training
from tests.helpers.downstream_films import write_trial_inputs
from tests.helpers.trial_command import rows_of, train


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return write_trial_inputs(tmp_path_factory.mktemp("inputs"))


def test_pretraining_shows_synthetic_films_first_and_real_ones_after_them() -> None:
    mixture = Mixture(3, 5, 2, "pretrain", 0.5, 7)
    mixture.turn_to_real(3)
    batches = [mixture.batch(step) for step in range(6)]
    assert [(len(real), len(made)) for real, made in batches] == [(0, 2)] * 3 + [(2, 0)] * 3
    # Three batches of 2 are one pass over the 5 synthetic films and the first of the next; then two passes over 3 real ones.
    assert sorted(np.concatenate([made for _, made in batches[:3]])[:5]) == [0, 1, 2, 3, 4]
    shown = np.concatenate([real for real, _ in batches[3:]])
    assert sorted(shown[:3]) == sorted(shown[3:]) == [0, 1, 2]
    alone = Mixture(3, 0, 2, "pretrain", 0.5, 7)
    alone.turn_to_real(3)
    plain = Mixture(3, 0, 2, "concat", 0.5, 7)
    for step in range(6):
        np.testing.assert_array_equal(alone.batch(step)[0], plain.batch(step)[0])
    # The order of the real films is that of real films alone.
    np.testing.assert_array_equal(shown, np.concatenate([plain.batch(step)[0] for step in range(3)]))


def test_learning_alone_shows_no_real_film_at_any_step() -> None:
    mixture = Mixture(3, 5, 2, "alone", 0.5, 7)
    batches = [mixture.batch(step) for step in range(5)]
    assert [(len(real), len(made)) for real, made in batches] == [(0, 2)] * 5
    # Five batches of 2 are two passes over the 5 images; 3 batches hold one of them, where 4 would hold the 3 real films too.
    shown = np.concatenate([made for _, made in batches])
    assert sorted(shown[:5]) == sorted(shown[5:]) == [0, 1, 2, 3, 4] and mixture.steps_per_epoch == 3
    # The order is that of a pretraining's first part; without images it is that of real films alone.
    before = Mixture(3, 5, 2, "pretrain", 0.5, 7)
    before.turn_to_real(5)
    np.testing.assert_array_equal(shown, np.concatenate([before.batch(step)[1] for step in range(5)]))
    plain, real = Mixture(3, 0, 2, "concat", 0.5, 7), Mixture(3, 0, 2, "alone", 0.5, 7)
    np.testing.assert_array_equal(real.batch(4)[0], plain.batch(4)[0])


ALONE = {"mixing": {"kind": "alone"}}
PRETRAIN = {"mixing": {"kind": "pretrain", "share": 0.5, "rate": "restarted"}}


@pytest.mark.parametrize("rate", ["restarted", "one"])
def test_the_learning_rate_begins_anew_or_runs_once(
    tmp_path: Path, inputs: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, rate: str
) -> None:
    seen: list[float] = []
    step = Training._step

    def watched(self: Training, *batch: np.ndarray) -> None:
        step(self, *batch)
        seen.append(self.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(Training, "_step", watched)
    mixing = {"kind": "pretrain", "share": 0.5, "rate": rate}
    train(tmp_path, inputs, "classification", "m", (), [inputs[2]], (1,), budget={"steps": 8}, mixing=mixing)
    # The peak is 0.01, the warm-up a quarter: one step of 4, or two of 8. Then half a cosine: (1 + cos(k pi / 3)) / 2 of the peak.
    if rate == "restarted":
        assert seen == pytest.approx([0.005, 0.01, 0.0075, 0.0025] * 2)
    else:
        falling = [0.005 * (1 + math.cos(k * math.pi / 6)) for k in range(6)]
        assert seen == pytest.approx([0.01 / 3, 0.02 / 3, *falling])


@pytest.mark.parametrize("dies_after", [1, 3, 4, 6])
def test_a_pretraining_killed_in_either_part_ends_with_the_same_bytes(
    tmp_path: Path, inputs: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, dies_after: int
) -> None:
    changes = {**PRETRAIN, "budget": {"steps": 8}, "checkpoint_seconds": 0}
    whole = train(tmp_path, inputs, "segmentation", "m", (), [inputs[2]], (1,), "whole.parquet", **changes)
    step = Training._step

    def dying(self: Training, *batch: np.ndarray) -> None:
        if self.progress.step == dies_after:
            raise KeyboardInterrupt
        step(self, *batch)

    monkeypatch.setattr(Training, "_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, inputs, "segmentation", "m", (), [inputs[2]], (1,), **changes)
    monkeypatch.setattr(Training, "_step", step)
    assert train(tmp_path, inputs, "segmentation", "m", (), [inputs[2]], (1,), **changes) == whole


def test_epochs_of_the_first_part_neither_end_a_training_nor_are_the_best(
    tmp_path: Path, inputs: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    end = Training._end_epoch
    monkeypatch.setattr(Training, "_end_epoch", lambda self: (ended.append(self.progress.step), end(self)))
    changes = {"validation_share": 0.4, "validation_patients": 2}
    changes["budget"] = {"kind": "epochs", "epochs": 4, "patience": 9}
    train(tmp_path, inputs, "classification", "m", (), [inputs[2]], (1,), **PRETRAIN, **changes)
    # 6 films learned from and 10 images in batches of 4: 4 steps a pass, 16 in all, of which the first 8 see images alone.
    assert ended == [12, 16]
    # Images alone: 10 of them are 3 steps a pass. The films set aside, which are real, end each.
    ended.clear()
    (row,) = rows_of(train(tmp_path, inputs, "classification", "m", (), [inputs[2]], (1,), **ALONE, **changes))
    assert ended == [3, 6, 9, 12] and (row["n_real"], row["n_synthetic"]) == ("10", "10")
    assert row["note"] == "no real film was learned from, images alone; the films set aside are real"


def test_pretraining_needs_its_keys(tmp_path: Path, inputs: tuple[Path, Path, Path]) -> None:
    with pytest.raises(InputError, match="trials.mixing.share: missing"):
        train(tmp_path, inputs, "classification", "m", (), [inputs[2]], mixing={"kind": "pretrain"})
    mixing = {"kind": "pretrain", "share": 0.5, "rate": "twice"}
    with pytest.raises(InputError, match="trials.mixing.rate = 'twice'; expected one of restarted, one"):
        train(tmp_path, inputs, "classification", "m", (), [inputs[2]], mixing=mixing)
