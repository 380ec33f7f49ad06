"""How fast this processor is in bf16 against fp32, in the operations that diffusion models consist of."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from scripts.lib.study.processor import choice

CONVOLUTIONS = ((32, 32), (64, 16))  # channels and side: the wide and the narrow level of the embedded U-Net
IMAGES, MATRIX = 16, 512
ROUNDS = 3  # the fastest of so many counts: other work on the machine makes a round slower, never faster


def processor_name() -> str:
    """Return the processor's model where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _seconds(work: Callable[[], Any]) -> float:
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


@torch.inference_mode()
def _works(dtype: torch.dtype) -> list[Callable[[], Any]]:
    works: list[Callable[[], Any]] = []
    for channels, side in CONVOLUTIONS:
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1).to(dtype).to(memory_format=torch.channels_last)
        films = torch.randn(IMAGES, channels, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
        works.append(partial(layer, films))
    left, right = (torch.randn(MATRIX, MATRIX).to(dtype) for _ in range(2))
    return [*works, lambda: left @ right]


@torch.inference_mode()
def measure() -> dict[str, Any]:
    """Return `precision` (fp32 | bf16), `bf16_speedup` (geometric mean of its gains), `processor` and `torch`."""
    pairs = zip(_works(torch.float32), _works(torch.bfloat16))
    gains = [_seconds(plain) / _seconds(low) for plain, low in pairs]
    speedup = math.prod(gains) ** (1 / len(gains))
    return {
        "precision": choice(speedup),
        "bf16_speedup": round(speedup, 2),
        "processor": processor_name(),
        "torch": torch.__version__,
    }
