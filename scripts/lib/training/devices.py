"""Where a computation runs: device, precision, and how many processes share a training (`accelerate launch`)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.study.processor import by_hand
from scripts.lib.training.kernels import FastKernels, processor_autocast
from scripts.lib.training.settings import Section

BUCKET = 64 * 2**20  # bytes of gradients in one exchange: few exchanges, little extra memory
PARENT_DEATH_SIGNAL = 1  # of prctl(2)


@dataclass(frozen=True)
class Placement:
    """Device and precision; `rank` of `world` processes that each compute a part of every step.

    The methods that speak with other processes must be called by all of them, in the same order.
    """

    device: torch.device
    dtype: torch.dtype
    rank: int = 0
    world: int = 1
    accelerator: Any = None

    @property
    def on_gpu(self) -> bool:
        """Whether it computes on a GPU."""
        return self.device.type == "cuda"

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which a model computes: weights stay float32, products take the set precision."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype) if self.on_gpu else processor_autocast(self.dtype)

    def kernels(self) -> AbstractContextManager[Any]:
        """Return the context in which networks compute whose weights have the set precision themselves."""
        return nullcontext() if self.on_gpu or self.dtype == torch.float32 else FastKernels()

    def rounds(self, count: int) -> Iterator[int | None]:
        """Yield which of `count` pieces is this process's in each round of `world` pieces; None where it has none."""
        for first in range(self.rank, count + self.rank, self.world):
            yield first if first < count else None

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of `values` over all processes, the same bits in each of them."""
        if self.world == 1:
            return values
        summed = values.to(self.device)
        torch.distributed.all_reduce(summed)
        return summed.to(values.device)

    def any(self, mine: bool) -> bool:
        """Whether this holds in any process."""
        return mine if self.world == 1 else bool(self.total(torch.tensor(float(mine))))

    def agree(self, number: int, what: str) -> None:
        """Raise InputError in every process unless `number` is the same in all of them."""
        if self.world > 1:
            numbers = torch.zeros(self.world, dtype=torch.float64)
            numbers[self.rank] = number
            numbers_here = [int(one) for one in self.total(numbers)]
            if len(set(numbers_here)) > 1:
                raise InputError(
                    f"{what}: {numbers_here} in the {self.world} processes; expected one value; start it again"
                )

    def total_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes; one that no process has stays absent."""
        if self.world == 1:
            return
        has = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.float32)
        used = [parameter for parameter, count in zip(parameters, self.total(has)) if count]
        gradients = []
        for parameter in used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
            torch.distributed.all_reduce(flat)
            for gradient, part in zip(bucket, flat.split([gradient.numel() for gradient in bucket])):
                gradient.copy_(part.view(gradient.shape))

    def wait(self) -> None:
        """Wait for all processes."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()


def _buckets(gradients: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield the gradients in their order, in groups of one type and of about BUCKET bytes."""
    group: list[torch.Tensor] = []
    for gradient in gradients:
        full = sum(one.nbytes for one in group) + gradient.nbytes > BUCKET
        if group and (full or gradient.dtype != group[0].dtype):
            yield group
            group = []
        group.append(gradient)
    if group:
        yield group


def _end_with_parent() -> None:
    """Let this process be killed when its launcher is: it would hold a GPU that the launcher's lease no longer covers."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _has_gpu() -> bool:
    """Whether torch finds a GPU; says so when this process was given one and torch cannot use it."""
    available, given = torch.cuda.is_available(), os.environ.get("CUDA_VISIBLE_DEVICES")
    if given and not available:
        log(f"torch finds no GPU, though CUDA_VISIBLE_DEVICES={given}; computing on the CPU. Check driver and torch")
    return available


def _join(device: str, dtype: torch.dtype) -> Placement:
    """Become one of several processes; raises InputError when they do not find each other."""
    from accelerate import Accelerator

    _end_with_parent()
    accelerator = Accelerator(cpu=device == "cpu" or not _has_gpu())
    processes, wanted = accelerator.num_processes, int(os.environ["WORLD_SIZE"])
    if processes != wanted:
        # Each would take itself for the only one, and all would write the same files.
        raise InputError(f"{wanted} processes were launched, but accelerate knows of {processes}; set compute.gpus: 1")
    return Placement(accelerator.device, dtype, accelerator.process_index, processes, accelerator)


def place(settings: Section, shared: bool = False) -> Placement:
    """Return the placement that `device` (auto | cpu | cuda | cuda:N) and `precision` (auto | fp32 | bf16) ask for.

    A workflow hands over fp32 or bf16; `auto` of a command that somebody starts by hand is bf16 on a GPU and fp32 elsewhere.
    `shared` lets a launch under accelerate or torchrun divide the work; the device is then the process's own.
    """
    asked, wanted = settings.one_of("precision", "auto", "fp32", "bf16"), settings["device"]
    on_gpu = wanted.startswith("cuda") or (wanted == "auto" and torch.cuda.is_available())
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[by_hand(asked, on_gpu)]
    if shared and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return _join(settings["device"], dtype)
    name = settings["device"]
    if name == "auto":
        name = "cuda" if _has_gpu() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"settings: {settings.name}.device = {name!r}; expected auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"settings: {settings.name}.device = {name!r}, but this machine has no usable GPU; use auto or cpu"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"settings: {settings.name}.device = {name!r}, but this process was given {torch.cuda.device_count()} GPUs, "
            f"counted from 0; use auto"
        )
    return Placement(device, dtype)
