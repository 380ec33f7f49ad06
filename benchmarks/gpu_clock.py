"""Seconds, peak memory, floating point operations and the machine's own limits, on a GPU or, for a test, on the CPU."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, the least and the median over `repeats`; `peak` bytes of GPU memory, 0 on the CPU."""

    least: float
    median: float
    repeats: int
    peak: int


@dataclass(frozen=True)
class Limits:
    """What the machine can do at most: operations and bytes per second, both measured in this run."""

    operations: float
    bytes: float

    def floor(self, operations: float, moved: float) -> float:
        """Return the seconds that this work needs at least."""
        return max(operations / self.operations, moved / self.bytes)


def synchronize(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(work: Callable[[], Any], device: torch.device, repeats: int, warm: int = 1) -> Timing:
    """Call `work` `warm` times unmeasured, then `repeats` times."""
    for _ in range(warm):
        work()
    synchronize(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Timing(min(seconds), statistics.median(seconds), repeats, peak)


def operations_of(work: Callable[[], Any]) -> int:
    """Return the floating point operations of `work`: products of matrices, convolutions and attention."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def measure_limits(device: torch.device, dtype: torch.dtype, side: int, copied: int) -> Limits:
    """Measure the product of two square matrices of this side, and a copy of so many bytes (read and written)."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    product = timed(lambda: left @ right, device, 20, 5)
    source = torch.empty(copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy = timed(lambda: target.copy_(source), device, 20, 5)
    return Limits(2 * side**3 / product.least, 2 * copied / copy.least)


def machine(device: torch.device) -> dict[str, str]:
    """Return what the numbers were taken on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    about = {"device": name, "torch": torch.__version__, "python": platform.python_version()}
    if device.type == "cuda":
        about["cuda"] = str(torch.version.cuda)
    return about


def table(title: str, head: list[str], rows: list[list[Any]]) -> str:
    """Return a markdown table under a heading; numbers with three digits."""
    shown = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *shown)]
    return "\n".join([f"### {title}", "", *lines, ""])
