"""The loop that the trainings share: a scheduled optimizer with a running mean of the weights, killed and resumed at will.

One step is `gradient_accumulation` micro-batches of `batch_size`, whatever the number of processes: they divide the
micro-batches and add up their gradients, so a training may go on with more or fewer GPUs than it began with.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping

import numpy as np
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.stop_requests import TERMINATED, stop_requests
from scripts.lib.engine.commands import progress
from scripts.lib.training.batches import batch_noise, batch_rows
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.learning_rate import rate_at, warmup_steps
from scripts.lib.training.optimizers import optimizer_of
from scripts.lib.training.settings import Section

LossOfBatch = Callable[[np.ndarray, torch.Generator], torch.Tensor]
REPORT_EVERY = 50
# What a checkpoint calls the moments of a weight.
MOMENTS = {"first": "exp_avg", "second": "exp_avg_sq"}


class AskedToEnd(Exception):
    """One of the processes has got SIGTERM or SIGUSR1; what was done of the step at hand is thrown away."""


class Trainer:
    """Train `modules` in place; `settings` are steps, batch_size, gradient_accumulation, matrices (adamw | muon), learning_rate,
    warmup, schedule, beta2, weight_decay, clip (largest gradient norm, 0 = any) and ema (decay of the running mean, 0 = none).
    `rates` multiplies the learning rate of single modules.
    """

    def __init__(
        self,
        modules: Mapping[str, torch.nn.Module],
        settings: Section,
        seed: int,
        stage: str,
        placement: Placement,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.settings, self.seed, self.stage, self.placement = settings, seed, stage, placement
        self.modules, self.done, self.losses = modules, 0, list[float]()
        self.asked = threading.Event()
        self.parameters = {
            f"{name}.{key}": parameter
            for name, module in modules.items()
            for key, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self.mean = {key: parameter.detach().clone() for key, parameter in self.parameters.items()}
        self.optimizer = optimizer_of(modules, settings, rates or {})

    def train(self, loss_of_batch: LossOfBatch, count: int, checkpoints: Checkpoints) -> None:
        """Run all steps on `count` rows; leave the running mean of the weights in the modules.

        `loss_of_batch(rows, noise)` returns the mean loss of these rows and changes nothing that outlives it. Raises
        InputError when it is not finite, and SystemExit(143) after storing the last whole step when SIGTERM or SIGUSR1
        asks for an end.
        """
        self._run(loss_of_batch, count, checkpoints)
        self._put(self.mean)

    def pause(self) -> None:
        """Raise AskedToEnd, in all processes, when one of them was asked to end."""
        if self.placement.any(self.asked.is_set()):
            raise AskedToEnd

    def _run(self, loss_of_batch: LossOfBatch, count: int, checkpoints: Checkpoints) -> None:
        """Make all steps from the last checkpoint on."""
        steps, leads = self.settings["steps"], self.placement.rank == 0
        stored = checkpoints.load(self.stage, tell=leads)
        self.done = 0 if stored is None else self._restore(*stored)
        self.placement.agree(self.done, f"{self.stage}: steps in the checkpoint")
        self._describe()
        numbers = range(self.done, steps)
        with stop_requests() as self.asked:
            try:
                self._begin()
                for step in progress(numbers, total=len(numbers), desc=self.stage) if leads else numbers:
                    if self._is_over():
                        break
                    self.losses.append(self._step(step, loss_of_batch, count))
                    self.done = step + 1
                    self._after_step()
                    if leads and (self.done == steps or checkpoints.due()):
                        checkpoints.save(self.stage, self.done, self._state())
                    self.pause()
            except AskedToEnd:
                self._leave(checkpoints)

    def _begin(self) -> None:
        """Do what comes before the next step."""

    def _is_over(self) -> bool:
        """Whether no further step is worth it."""
        return False

    def _after_step(self) -> None:
        """Report the mean loss now and then."""
        if self.done % REPORT_EVERY == 0 or self.done == self.settings["steps"]:
            mean = sum(self.losses) / len(self.losses)
            self._log(f"{self.stage}: step {self.done} of {self.settings['steps']}, mean loss {mean:.5f}")
            self.losses.clear()

    def _log(self, line: str) -> None:
        if self.placement.rank == 0:
            log(line)

    def _describe(self) -> None:
        """Say what to change where the warm-up does not end or a process has nothing to do, and how processes divide a step."""
        parts, world = self.settings["gradient_accumulation"], self.placement.world
        steps = self.settings["steps"]
        warmup = warmup_steps(self.settings, steps)
        if warmup >= steps:
            self._log(
                f"{self.stage}: the warm-up of {warmup:g} steps is as long as the training ({steps}), so the learning rate "
                f"ends at {self._rate(steps - 1):.3g} and never reaches {self.settings['learning_rate']:.3g}; lower "
                f"{self.settings.name}.warmup"
            )
        if world > 1:
            self._log(f"{self.stage}: {world} processes divide the {parts} micro-batches of each step")
        if parts % world:
            idle = world - parts % world
            self._log(
                f"{self.stage}: {idle} of {world} processes are idle {'all the time' if parts < world else 'at times'}; "
                f"set {self.settings.name}.gradient_accumulation (now {parts}) to a multiple of {world} and batch_size "
                f"(now {self.settings['batch_size']}) smaller by as much, or compute.gpus lower"
            )

    def _leave(self, checkpoints: Checkpoints) -> None:
        """Store the last whole step and end; nobody ends before it is stored, or a launcher would kill the others."""
        if self.placement.rank == 0 and self.done:
            checkpoints.save(self.stage, self.done, self._state())
        self.placement.wait()
        self._log(f"{self.stage}: asked to end; {f'stored step {self.done}' if self.done else 'no step was made yet'}")
        raise SystemExit(TERMINATED)

    def _step(self, step: int, loss_of_batch: LossOfBatch, count: int) -> float:
        """Make one optimizer step from `gradient_accumulation` micro-batches; return their mean loss.

        A micro-batch is known by its number from the beginning of the training, whoever computes it.
        """
        parts, size = self.settings["gradient_accumulation"], self.settings["batch_size"]
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * self._rate(step)
        self.optimizer.zero_grad(set_to_none=True)
        own = torch.zeros((), dtype=torch.float64, device=self.placement.device)
        for number, part in enumerate(self.placement.rounds(parts)):
            if number:
                self.pause()
            if part is None:
                continue
            batch = step * parts + part
            rows = batch_rows(self.seed, self.stage, batch, size, count)
            with self.placement.autocast():
                loss = loss_of_batch(rows, batch_noise(self.seed, self.stage, batch))
            (loss / parts).backward()
            own += loss.detach().double() / parts
        total = self.placement.total(own).item()
        if not math.isfinite(total):
            raise InputError(
                f"{self.stage}: the loss is {total} at step {step}; lower {self.settings.name}.learning_rate"
                f" (now {self.settings['learning_rate']:g})"
            )
        self.placement.total_gradients(list(self.parameters.values()))
        if self.settings["clip"]:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.settings["clip"])
        self.optimizer.step()
        self._follow(step)
        return total

    def _rate(self, step: int) -> float:
        return rate_at(step, self.settings["steps"], self.settings["learning_rate"], self.settings)

    def _put(self, weights: Mapping[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for key, parameter in self.parameters.items():
                parameter.copy_(weights[key])

    def _follow(self, step: int) -> None:
        """Move the running mean; its decay grows with the step, so that the first weights are soon forgotten."""
        decay = min(self.settings["ema"], (1 + step) / (10 + step)) if self.settings["ema"] else 0.0
        with torch.no_grad():
            torch._foreach_lerp_(list(self.mean.values()), list(self.parameters.values()), 1.0 - decay)

    def _state(self) -> dict[str, torch.Tensor]:
        tensors: dict[str, torch.Tensor] = {}
        for key, parameter in self.parameters.items():
            tensors[f"weight/{key}"] = parameter
            tensors[f"mean/{key}"] = self.mean[key]
            # A weight that the loss has not used yet has no moments.
            moments = self.optimizer.state.get(parameter, {})
            tensors |= {f"{short}/{key}": moments[name] for short, name in MOMENTS.items() if name in moments}
        return tensors

    def _restore(self, step: int, tensors: Mapping[str, torch.Tensor]) -> int:
        with torch.no_grad():
            for key, parameter in self.parameters.items():
                parameter.copy_(tensors[f"weight/{key}"])
                self.mean[key].copy_(tensors[f"mean/{key}"])
                stored = {name: f"{short}/{key}" for short, name in MOMENTS.items() if f"{short}/{key}" in tensors}
                if not stored:
                    continue
                # A parameter keeps its memory layout, and its moments must have the same: sums run in that order.
                moments = {name: torch.empty_like(parameter).copy_(tensors[place]) for name, place in stored.items()}
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(step), device=parameter.device),
                    **moments,
                }
        return step
