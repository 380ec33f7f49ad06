"""Trainings: the same bytes again, resumed where they stopped, and as long as their budget says."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.checkpoint import Progress, restore, state_of
from scripts.lib.downstream.data import Films, films_of
from scripts.lib.downstream.losses import mask_loss
from scripts.lib.downstream.models import build_model
from scripts.lib.downstream.predict import label_probabilities, mask_counts, place_trial
from scripts.lib.downstream.training import Material, Training, make_optimizer, read_batches
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from tests.helpers.downstream_films import STILL, draw, settings_for, write_films, write_pool

CPU = Placement(torch.device("cpu"), torch.float32)


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_films(folder / "cohort", 24, test=8)
    write_pool(folder / "pool", 12)
    return folder


def films(folder: Path, task: str, rows: range) -> Films:
    from scripts.lib.cohort.store import Cohort

    settings = settings_for(task)
    return films_of(Cohort.open(folder), np.arange(rows.start, rows.stop), task, settings["target"])


def training(folder: Path, task: str, synthetic: int = 12, **changes: Any) -> Training:
    settings = settings_for(task, **changes)
    made = films(folder / "pool", task, range(synthetic)) if synthetic else None
    material = Material(films(folder / "cohort", task, range(8)), made, films(folder / "cohort", task, range(8, 16)))
    model = build_model(settings, 2 if task == "multilabel" else 1, 16, 7)
    model.to(memory_format=torch.channels_last)
    return Training(model, material, settings, CPU, seed=3)


def run(one: Training, folder: Path) -> int:
    """Run a training whose checkpoints lie in this folder; return the steps done."""
    return one.run(Checkpoints(folder, "key", one.settings["checkpoint_seconds"]), "state")


def weights(run: Training) -> list[torch.Tensor]:
    return list(run.model.state_dict().values())


def stop_after(run: Training, steps: int) -> None:
    """Make the training die after so many steps."""
    step = run._step

    def dying(images: np.ndarray, targets: np.ndarray) -> None:
        if run.progress.step == steps:
            raise Killed
        step(images, targets)

    run._step = dying


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_steps_go_down_the_gradient_of_the_films_of_their_batch(folder: Path, tmp_path: Path, task: str) -> None:
    """Three steps of SGD by hand on the films that the mixture names, drawn anew from their numbers, with their own labels."""
    changes = {"optimizer": {"name": "sgd", "weight_decay": 0.0}, "schedule": "constant", "warmup": 0, "augment": STILL}
    one = training(folder, task, **changes, budget={"steps": 3})
    twin, made = copy.deepcopy(one.model).train(), 0
    optimizer = torch.optim.SGD(twin.parameters(), 0.01, momentum=0.9)
    for step in range(3):
        real, synthetic = one.mixture.batch(step)
        made += len(synthetic)
        shown = [(number, *draw(number, number % 2, number // 2 % 2)) for number in [*real, *(1000 + synthetic)]]
        x = torch.tensor(np.stack([image for _, image, _ in shown]))[:, None] / 255
        if task == "classification":
            y = torch.tensor([[float(number % 2)] for number, *_ in shown])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(twin(x), y)
        else:
            loss = mask_loss(twin(x), torch.tensor(np.stack([mask for *_, mask in shown]))[:, None].float(), 1.0, 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert run(one, tmp_path / "none") == 3 and 0 < made < 12
    for mine, expected in zip(weights(one), twin.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)
    assert not torch.equal(one.model.body.head.weight, build_model(one.settings, 1, 16, 7).body.head.weight)


@pytest.mark.parametrize("kind", ["steps", "epochs"])
@pytest.mark.parametrize("name", ["adamw", "sgd", "muon"])
def test_a_killed_training_ends_with_the_same_weights(folder: Path, tmp_path: Path, kind: str, name: str) -> None:
    # 20 films in batches of 4: 5 steps an epoch, 15 in three epochs
    changes = {"budget": {"kind": kind, "steps": 9}, "optimizer": {"name": name}, "checkpoint_seconds": 0}
    whole = training(folder, "segmentation", **changes)
    assert run(whole, tmp_path / "whole") == (9 if kind == "steps" else 15)
    broken = training(folder, "segmentation", **changes)
    stop_after(broken, 7)
    with pytest.raises(Killed):
        run(broken, tmp_path / "broken")
    resumed = training(folder, "segmentation", **changes)
    stop_after(resumed, 99)
    run(resumed, tmp_path / "broken")
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_a_checkpoint_of_another_key_or_a_damaged_one_is_not_used(folder: Path, tmp_path: Path) -> None:
    one = training(folder, "classification")
    path = tmp_path / "state.safetensors"
    progress = Progress(step=3, best_loss=0.1, stale_epochs=1)
    Checkpoints(tmp_path, "key", 0).save("state", 3, state_of(one.model, one.optimizer, progress))

    def found(key: str, where: Path = tmp_path) -> Progress:
        return restore(Checkpoints(where, key, 0).load("state"), one.model, one.optimizer)

    assert (found("key").step, found("key").best_loss, found("key").stale_epochs) == (3, 0.1, 1)
    assert found("other").step == 0
    path.write_bytes(path.read_bytes()[:100])
    assert found("key").step == 0
    assert found("key", tmp_path / "none").step == 0


def test_every_cell_has_the_same_steps_or_the_same_epochs(folder: Path, tmp_path: Path) -> None:
    none = tmp_path / "none"
    assert [run(training(folder, "classification", made), none) for made in (0, 4, 12)] == [4, 4, 4]
    epochs = {"budget": {"kind": "epochs", "epochs": 2, "patience": 5}}
    # 8, 12 and 20 films in batches of 4, twice
    assert [run(training(folder, "classification", made, **epochs), none) for made in (0, 4, 12)] == [4, 6, 10]


def test_early_stopping_keeps_the_best_weights(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 1.0, 2.0, 2.0, 0.0])
    seen: list[torch.Tensor] = []

    def falling(model: torch.nn.Module, *_: object) -> float:
        seen.append(model.body.head.weight.detach().clone())
        return next(losses)

    monkeypatch.setattr("scripts.lib.downstream.training.mean_loss", falling)
    one = training(folder, "classification", 0, budget={"kind": "epochs", "epochs": 5, "patience": 2})
    assert run(one, tmp_path / "none") == 8  # four epochs of two steps: 1.0 is the best, then two without a lower one
    assert torch.equal(one.model.body.head.weight, seen[1])
    assert not torch.equal(seen[1], seen[3])


def test_reading_ahead_changes_nothing(folder: Path) -> None:
    run = training(folder, "segmentation")
    batches = [list(read_batches(run.material, run.mixture, range(2, 7), ahead)) for ahead in (False, True)]
    assert len(batches[0]) == len(batches[1]) == 5
    for (images, targets), (ahead_images, ahead_targets) in zip(*batches):
        assert images.dtype == targets.dtype == np.uint8
        np.testing.assert_array_equal(images, ahead_images)
        np.testing.assert_array_equal(targets, ahead_targets)


@pytest.mark.parametrize(("name", "kind"), [("adamw", "AdamW"), ("adam", "Adam"), ("sgd", "SGD"), ("muon", "Muon")])
def test_the_optimizer_is_the_one_that_was_asked_for(name: str, kind: str) -> None:
    settings = settings_for("classification", optimizer={"name": name})
    optimizer = make_optimizer(build_model(settings, 1, 16, 0), settings)
    assert type(optimizer).__name__ == kind
    assert optimizer.param_groups[0]["weight_decay"] == 0.01


def test_divergence_is_one_line(folder: Path, tmp_path: Path) -> None:
    one = training(folder, "classification", optimizer={"learning_rate": 10.0})
    one.model.body.head.weight.data.fill_(torch.nan)
    with pytest.raises(InputError, match="diverged to NaN weights; lower optimizer.learning_rate = 10.0"):
        run(one, tmp_path / "none")


def test_predictions_are_those_of_the_model_at_rest(folder: Path) -> None:
    run = training(folder, "segmentation")
    test = films(folder / "cohort", "segmentation", range(16, 24))
    run.model.body.head.bias.data.fill_(100.0)  # everything is mask
    overlap, predicted, truth = mask_counts(run.model, test, CPU)
    assert predicted.tolist() == [[256.0]] * 8
    assert overlap.tolist() == truth.tolist() == [[0.0], [36.0]] * 4
    labels = training(folder, "multilabel")
    found = label_probabilities(labels.model, films(folder / "cohort", "multilabel", range(16, 24)), CPU)
    assert found.shape == (8, 2)
    np.testing.assert_array_equal(
        found[3:4], label_probabilities(labels.model, films(folder / "cohort", "multilabel", range(19, 20)), CPU)
    )


def test_a_gpu_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert place_trial({"device": "auto", "precision": "auto"}) == Placement(torch.device("cpu"), torch.float32)
    with pytest.raises(InputError, match="trials.device = 'cuda:1', but this machine has no usable GPU"):
        place_trial({"device": "cuda:1", "precision": "fp32"})
