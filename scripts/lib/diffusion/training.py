"""The loop that all three trainings share: scheduled AdamW with a running mean of the weights, killed and resumed at will."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from scripts.lib.cli import progress
from scripts.lib.diffusion.batches import batch_noise, batch_rows
from scripts.lib.diffusion.checkpoint import Checkpoints, log, stop_requests
from scripts.lib.diffusion.devices import Placement
from scripts.lib.diffusion.settings import Section
from scripts.lib.errors import InputError

LossOfBatch = Callable[[np.ndarray, torch.Generator], torch.Tensor]
REPORT_EVERY = 50
TERMINATED = 143
FIRST_BETA = 0.9


def learning_rate(step: int, settings: Section) -> float:
    """Return the rate of a step: linear warm-up, then constant or half a cosine down to 0 (`schedule`)."""
    rate = settings["learning_rate"] * min(1.0, (step + 1) / max(1, settings["warmup"]))
    if settings.one_of("schedule", "cosine", "constant") == "cosine":
        rate *= 0.5 * (1.0 + math.cos(math.pi * step / settings["steps"]))
    return rate


class Trainer:
    """Train `modules` in place; `settings` are steps, batch_size, gradient_accumulation, learning_rate, warmup,
    schedule, beta2, weight_decay, clip (largest gradient norm, 0 = any) and ema (decay of the running mean, 0 = none).
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
        self.parameters = {
            f"{name}.{key}": parameter
            for name, module in modules.items()
            for key, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self.mean = {key: parameter.detach().clone() for key, parameter in self.parameters.items()}
        groups = [
            {"params": [p for p in module.parameters() if p.requires_grad], "rate": (rates or {}).get(name, 1.0)}
            for name, module in modules.items()
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=settings["learning_rate"],
            betas=(FIRST_BETA, settings["beta2"]),
            weight_decay=settings["weight_decay"],
            fused=True,
        )

    def train(self, loss_of_batch: LossOfBatch, count: int, checkpoints: Checkpoints) -> None:
        """Run all steps on `count` rows; leave the running mean of the weights in the modules.

        `loss_of_batch(rows, noise)` returns the mean loss of these rows. Raises InputError when it is not finite, and
        SystemExit(143) after storing the state when SIGTERM asks for an end.
        """
        stored = checkpoints.load(self.stage)
        first = 0 if stored is None else self._restore(*stored)
        steps, losses = self.settings["steps"], []
        with stop_requests() as asked:
            for step in progress(range(first, steps), total=steps - first, desc=self.stage):
                losses.append(self._step(step, loss_of_batch, count))
                if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
                    log(f"{self.stage}: step {step + 1} of {steps}, mean loss {sum(losses) / len(losses):.5f}")
                    losses.clear()
                ends = asked.is_set() or step + 1 == steps
                if self.placement.rank == 0 and (ends or checkpoints.due()):
                    checkpoints.save(self.stage, step + 1, self._state())
                if asked.is_set() and step + 1 < steps:
                    log(f"{self.stage}: asked to end; stored step {step + 1}")
                    raise SystemExit(TERMINATED)
        with torch.no_grad():
            for key, parameter in self.parameters.items():
                parameter.copy_(self.mean[key])

    def _step(self, step: int, loss_of_batch: LossOfBatch, count: int) -> float:
        """Make one optimiser step from `gradient_accumulation` batches in each process; return the mean loss."""
        parts, world = self.settings["gradient_accumulation"], self.placement.world
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * learning_rate(step, self.settings)
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for part in range(parts):
            batch = (step * parts + part) * world + self.placement.rank
            rows = batch_rows(self.seed, self.stage, batch, self.settings["batch_size"], count)
            with self.placement.autocast():
                loss = loss_of_batch(rows, batch_noise(self.seed, self.stage, batch))
            (loss / parts).backward()
            total += loss.item() / parts
        if not math.isfinite(total):
            raise InputError(
                f"{self.stage}: the loss is {total} at step {step}; lower {self.settings.name}.learning_rate"
                f" (now {self.settings['learning_rate']:g})"
            )
        self.placement.mean_gradients(self.parameters.values())
        if self.settings["clip"]:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.settings["clip"])
        self.optimizer.step()
        self._follow(step)
        return total

    def _follow(self, step: int) -> None:
        """Move the running mean; its decay grows with the step, so that the first weights are soon forgotten."""
        decay = min(self.settings["ema"], (1 + step) / (10 + step)) if self.settings["ema"] else 0.0
        with torch.no_grad():
            torch._foreach_lerp_(list(self.mean.values()), list(self.parameters.values()), 1.0 - decay)

    def _state(self) -> dict[str, torch.Tensor]:
        tensors = {}
        for key, parameter in self.parameters.items():
            moments = self.optimizer.state[parameter]
            tensors[f"weight/{key}"] = parameter
            tensors[f"mean/{key}"] = self.mean[key]
            tensors[f"first/{key}"] = moments["exp_avg"]
            tensors[f"second/{key}"] = moments["exp_avg_sq"]
        return tensors

    def _restore(self, step: int, tensors: Mapping[str, torch.Tensor]) -> int:
        with torch.no_grad():
            for key, parameter in self.parameters.items():
                parameter.copy_(tensors[f"weight/{key}"])
                self.mean[key].copy_(tensors[f"mean/{key}"])
                # A parameter keeps its memory layout, and its moments must have the same: sums run in that order.
                moments = {name: torch.empty_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                moments["exp_avg"].copy_(tensors[f"first/{key}"])
                moments["exp_avg_sq"].copy_(tensors[f"second/{key}"])
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(step), device=parameter.device),
                    **moments,
                }
        return step
