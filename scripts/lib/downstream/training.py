"""Train one downstream model on one mixture of real and synthetic films."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import derive_seed
from scripts.lib.core.stop_requests import TERMINATED
from scripts.lib.downstream.augment import augment
from scripts.lib.downstream.boxes import joined
from scripts.lib.downstream.checkpoint import Progress, restore, state_of
from scripts.lib.downstream.data import Films
from scripts.lib.downstream.losses import loss_of
from scripts.lib.downstream.models import Network
from scripts.lib.downstream.predict import mean_loss, to_images, to_targets
from scripts.lib.downstream.sampler import Mixture
from scripts.lib.engine.commands import progress
from scripts.lib.study.tasks import of_structures
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.learning_rate import rate_at
from scripts.lib.training.optimizers import Muon, groups_of

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Material:
    """What a training reads: real films, synthetic films or None, and the films it may stop early by, or None."""

    real: Films
    synthetic: Films | None
    validation: Films | None

    def mixture(self, settings: Mapping[str, Any], seed: int) -> Mixture:
        synthetic = 0 if self.synthetic is None else len(self.synthetic)
        mixing = settings["mixing"]
        return Mixture(len(self.real), synthetic, settings["batch_size"], mixing["kind"], mixing["real_share"], seed)

    def read(self, mixture: Mixture, step: int) -> Batch:
        """Return images uint8 (B, H, W) and targets of batch `step`, the real films first."""
        real, made = mixture.batch(step)
        if self.synthetic is None or not len(made):
            return self.real.images(real), self.real.targets(real)
        if not len(real):
            return self.synthetic.images(made), self.synthetic.targets(made)
        return (
            np.concatenate([self.real.images(real), self.synthetic.images(made)]),
            joined(self.real.targets(real), self.synthetic.targets(made)),
        )


def read_batches(material: Material, mixture: Mixture, steps: range, ahead: bool) -> Iterator[Batch]:
    """Yield the batches of these steps; with `ahead` the next one is read while the caller computes (GPU)."""
    if not ahead:
        yield from (material.read(mixture, step) for step in steps)
        return
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting = None
        for step in steps:
            coming = reader.submit(material.read, mixture, step)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()


def make_optimizer(model: nn.Module, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Return the optimizer of the weights that are trained."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    chosen = settings["optimizer"]
    if chosen["name"] == "sgd":
        return torch.optim.SGD(weights, chosen["learning_rate"], momentum=0.9, weight_decay=chosen["weight_decay"])
    if chosen["name"] == "muon":
        return Muon(groups_of(model, True), chosen["learning_rate"], weight_decay=chosen["weight_decay"], fused=True)
    kind = torch.optim.AdamW if chosen["name"] == "adamw" else torch.optim.Adam
    return kind(weights, chosen["learning_rate"], weight_decay=chosen["weight_decay"], fused=True)


class Training:
    """One training; `run` changes the model in place.

    budget.kind `steps`: so many steps, the same for every mixture; the last weights count. `epochs`: up to so many
    passes over the mixture, until the validation loss has not fallen for `patience` of them; the best weights count. Without
    films to stop early by it is `steps` as well.
    mixing.kind `pretrain`: the first `share` of these steps see synthetic films alone, the others real ones alone. Where its
    rate is `restarted` the second part begins like a training of its own (warm-up, learning rate, no memory of gradients),
    as when published weights are fine-tuned; `one` spans both. Epochs of the first part neither end it nor are the best.
    mixing.kind `alone`: all steps see synthetic films alone; an epoch is a pass over these. The films to stop by stay real.
    Everything random is a function of the seed and the step, so a resumed training ends with the same weights.
    """

    def __init__(
        self, model: Network, material: Material, settings: Mapping[str, Any], placement: Placement, seed: int
    ) -> None:
        self.model, self.material, self.settings, self.placement, self.seed = model, material, settings, placement, seed
        self.mixture = material.mixture(settings, seed)
        self.optimizer = make_optimizer(model, settings)
        self.progress = Progress()
        budget = settings["budget"]
        self.by_epochs = budget["kind"] == "epochs" and material.validation is not None
        self.total = budget["epochs"] * self.mixture.steps_per_epoch if self.by_epochs else budget["steps"]
        self.mixture.turn_to_real(min(round(settings["mixing"].get("share", 0) * self.total), self.total - 1))
        self.restarts = self.mixture.pretrains and settings["mixing"]["rate"] == "restarted"

    def run(self, checkpoints: Checkpoints, stage: str, asked: threading.Event | None = None) -> int:
        """Train to the end of the budget and return the steps done; goes on from the checkpoint of this stage.

        When `asked` is set it stores its state and raises SystemExit(143).
        """
        self.progress = restore(checkpoints.load(stage), self.model, self.optimizer)
        self.model.train()
        steps = range(self.progress.step, self.total)
        batches = read_batches(self.material, self.mixture, steps, self.placement.on_gpu)
        for images, targets in progress(batches, len(steps), ""):
            if asked is not None and asked.is_set():
                self._store(checkpoints, stage)
                log(f"asked to end; stored step {self.progress.step}")
                raise SystemExit(TERMINATED)
            if self.by_epochs and self.progress.stale_epochs >= self.settings["budget"]["patience"]:
                break
            self._step(images, targets)
            past_turn = self.progress.step - self.mixture.turn
            if self.by_epochs and past_turn > 0 and past_turn % self.mixture.steps_per_epoch == 0:
                self._end_epoch()
            if checkpoints.due():
                self._store(checkpoints, stage)
        if self.progress.best:
            self.model.load_state_dict(self.progress.best)
        self._refuse_nan()
        return self.progress.step

    def _store(self, checkpoints: Checkpoints, stage: str) -> None:
        checkpoints.save(stage, self.progress.step, state_of(self.model, self.optimizer, self.progress))

    def _step(self, images: np.ndarray, targets: np.ndarray) -> None:
        step = self.progress.step
        peak = self.settings["optimizer"]["learning_rate"]
        done, length = self._part(step)
        if self.restarts and done == 0 and step:
            self.optimizer.state.clear()
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(done, length, peak, self.settings)
        x, y = to_images(images, self.placement), to_targets(targets, self.placement)
        shown = y if of_structures(self.settings) else None
        x, moved = augment(x, shown, self.settings["augment"], derive_seed(self.seed, "augment", step))
        with self.placement.autocast():
            logits = self.model(x)
        loss_of(self.model, logits.float(), y if moved is None else moved, self.settings).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1

    def _part(self, step: int) -> tuple[int, int]:
        """Return the place of a step in its part of the training, and the part's length: the whole, unless it restarts."""
        if not self.restarts:
            return step, self.total
        turn = self.mixture.turn
        return (step, turn) if step < turn else (step - turn, self.total - turn)

    def _end_epoch(self) -> None:
        assert self.material.validation is not None  # by_epochs asks for it
        loss = mean_loss(self.model, self.material.validation, self.settings, self.placement)
        self.model.train()
        if loss < self.progress.best_loss:
            self.progress.best_loss, self.progress.stale_epochs = loss, 0
            self.progress.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        else:
            self.progress.stale_epochs += 1

    def _refuse_nan(self) -> None:
        if not all(bool(torch.isfinite(weight).all()) for weight in self.model.parameters()):
            rate = self.settings["optimizer"]["learning_rate"]
            raise InputError(f"trials: the training diverged to NaN weights; lower optimizer.learning_rate = {rate}")
