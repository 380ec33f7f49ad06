"""What networks cost, counted by torch on its meta device: no weights, no data, any size.

Operations are two a multiply-add, as torch counts, of matrix products and convolutions alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    import torch

Shape = Mapping[str, Any]  # what of a study's settings decides how long a unit takes
FREE = {
    *("steps", "learning_rate", "warmup", "schedule", "beta2", "weight_decay", "clip", "checkpoint_seconds", "device"),
    *("matrices", "ema", "losses", "path"),
}  # keys of a training that do not decide how long a step takes
Given = ParamSpec("Given")
Result = TypeVar("Result")


def kept(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Keep the results of a function of shapes and numbers: networks are built, and counted, once."""
    results: dict[str, Result] = {}

    @wraps(function)
    def remembered(*given: Given.args, **named: Given.kwargs) -> Result:
        key = json.dumps([given, named], sort_keys=True)
        if key not in results:
            results[key] = function(*given, **named)
        return results[key]

    return remembered


def size(network: torch.nn.Module) -> int:
    """Return a network's number of parameters."""
    return sum(weights.numel() for weights in network.parameters())


def count(run: Callable[[], torch.Tensor], learns: bool = False) -> float:
    """Return the operations of a call on meta tensors; with `learns` also those of the gradients of its result's sum."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(learns):
        result = run()
        if learns:
            result.sum().backward()
    return float(counter.get_total_flops())


def batch(shape: Shape) -> int:
    """Return the images of one step of a training."""
    return int(shape["batch_size"] * shape["gradient_accumulation"])


def training_shape(section: Shape, *parts: str) -> dict[str, Any]:
    """Return what of a training's settings decides how long a step takes; of several `parts` each, and their precision."""
    if parts:
        return {part: training_shape(section[part]) for part in parts} | {"precision": section["precision"]}
    return {key: value for key, value in section.items() if key not in FREE}
