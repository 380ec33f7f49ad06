"""Where a computation runs: device, precision, and how many processes share a training (`accelerate launch`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from scripts.lib.diffusion.settings import Section
from scripts.lib.errors import InputError


@dataclass(frozen=True)
class Placement:
    """Device and precision; `rank` of `world` processes that each compute a part of every step."""

    device: torch.device
    dtype: torch.dtype
    rank: int = 0
    world: int = 1
    accelerator: Any = None

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which a training computes: weights stay float32, products take the set precision."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def mean_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes."""
        if self.accelerator is None:
            return
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad = self.accelerator.reduce(parameter.grad, reduction="mean")

    def wait(self) -> None:
        """Wait for all processes."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()


def place(settings: Section, shared: bool = False) -> Placement:
    """Return the placement that `device` (auto | cpu | cuda | cuda:N) and `precision` (fp32 | bf16) ask for.

    `shared` lets a launch under accelerate or torchrun divide the work; the device is then the process's own.
    """
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[settings.one_of("precision", "fp32", "bf16")]
    if shared and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import Accelerator

        accelerator = Accelerator(cpu=settings["device"] == "cpu")
        return Placement(accelerator.device, dtype, accelerator.process_index, accelerator.num_processes, accelerator)
    name = settings["device"]
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"settings: {settings.name}.device = {name!r}; expected auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"settings: {settings.name}.device = {name!r}, but this machine has no usable GPU; use auto or cpu"
        )
    return Placement(device, dtype)
