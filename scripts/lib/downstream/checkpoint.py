"""State of an unfinished training as tensors: weights, optimizer, best weights so far, and how far it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

PARTS = ("model", "best", "optimizer", "progress")


@dataclass
class Progress:
    """Where a training stands: `step` steps are done; the best validation loss, its weights, epochs since it."""

    step: int = 0
    best_loss: float = float("inf")
    stale_epochs: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> dict[str, Tensor]:
    """Return what `Checkpoints.save` stores beside the step: copies, as two names of a model may share a tensor."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in progress.best.items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items() if value is not None}
    tensors["progress.best_loss"] = torch.tensor(progress.best_loss, dtype=torch.float64)
    tensors["progress.stale_epochs"] = torch.tensor(progress.stale_epochs)
    return {name: value.detach().clone() for name, value in tensors.items()}


def restore(
    stored: tuple[int, Mapping[str, Tensor]] | None, model: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress:
    """Load what `Checkpoints.load` found into model and optimizer and return the progress; None is a fresh start."""
    if stored is None:
        return Progress()
    step, tensors = stored
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    model.load_state_dict(parts["model"])
    groups = optimizer.state_dict()["param_groups"]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimizer"].items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    _lay_out_like_weights(optimizer)
    progress = parts["progress"]
    return Progress(step, progress["best_loss"].item(), int(progress["stale_epochs"]), parts["best"])


def _lay_out_like_weights(optimizer: torch.optim.Optimizer) -> None:
    """Give the optimizer's tensors the memory layout of their weights, which a file does not keep.

    A fused step walks weight and state side by side through memory: with a channels-last weight and a state of another
    layout it would pair the wrong numbers, silently.
    """
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                state[name] = torch.empty_like(weight.detach()).copy_(value)
