"""State of an unfinished training on disk: weights, optimiser, best weights so far, and how far it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from scripts.lib.core.atomic import atomic_file


@dataclass
class Progress:
    """Where a training stands: `step` steps are done; the best validation loss, its weights, epochs since it."""

    step: int = 0
    best_loss: float = float("inf")
    stale_epochs: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)


def save_checkpoint(
    path: Path, fingerprint: str, model: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write the state as safetensors (numbers only, nothing that could run), whole or not at all."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors.update({f"best.{name}": value for name, value in progress.best.items()})
    for number, state in optimiser.state_dict()["state"].items():
        tensors.update({f"optimiser.{number}.{name}": value for name, value in state.items() if value is not None})
    numbers = {name: value for name, value in asdict(progress).items() if name != "best"}
    meta = {"fingerprint": fingerprint, "progress": json.dumps(numbers)}
    with atomic_file(path) as temporary:
        save_file({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}, temporary, meta)


def load_checkpoint(path: Path, fingerprint: str, model: nn.Module, optimiser: torch.optim.Optimizer) -> Progress:
    """Load the state into model and optimiser and return the progress; a fresh start when there is none that fits.

    A checkpoint of other settings, code or data (another fingerprint), or a damaged one, is not used.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            if meta.get("fingerprint") != fingerprint:
                return Progress()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError):
        return Progress()
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimiser": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    model.load_state_dict(parts["model"])
    groups = optimiser.state_dict()["param_groups"]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["optimiser"].items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    _lay_out_like_weights(optimiser)
    return Progress(**json.loads(meta["progress"]), best=parts["best"])


def _lay_out_like_weights(optimiser: torch.optim.Optimizer) -> None:
    """Give the optimiser's tensors the memory layout of their weights, which a file does not keep.

    A fused step walks weight and state side by side through memory: with a channels-last weight and a state of another
    layout it would pair the wrong numbers, silently.
    """
    for weight, state in optimiser.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                state[name] = torch.empty_like(weight.detach()).copy_(value)
