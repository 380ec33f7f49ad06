"""Where a GPU's time goes while one micro-batch is made: its kernels, summed by what they do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

SHOWN = 12  # single kernels, the longest first
# The first pattern that a kernel's name matches says what it does. Names are those of cuDNN, cuBLAS, Triton and torch.
WORK = {
    "attention": r"flash|fmha|sdpa|attention|softmax",
    "convolution": r"conv|fprop|implicit|winograd|wgrad|dgrad",
    "matrix product": r"gemm|nvjet|cublas|cutlass|matmul|addmm|_mm",
    "layout and copies": r"memcpy|memset|copy|nchw|nhwc|transpose|cat",
    "norms and activations, fused by Triton": r"triton",
    "norms and activations": r"norm|silu|gelu|elementwise|vectorized|reduce|add|mul",
}


def kind_of(kernel: str) -> str:
    """Return what a kernel of this name does, a key of WORK or "other"."""
    return next((kind for kind, pattern in WORK.items() if re.search(pattern, kernel, re.IGNORECASE)), "other")


def profiled(work: Callable[[], Any], device: torch.device, warm: int) -> dict[str, Any]:
    """Call `work` `warm` times, then once under torch's profiler; return seconds by kind and of the longest kernels.

    On the CPU operators stand for kernels.
    """
    on_gpu = device.type == "cuda"
    for _ in range(warm):
        work()
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as seen:
        work()
        if on_gpu:
            torch.cuda.synchronize(device)
    kernels: Counter[str] = Counter()
    for event in seen.key_averages():
        kernels[event.key] += (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6
    kinds: Counter[str] = Counter()
    for name, seconds in kernels.items():
        kinds[kind_of(name)] += seconds
    return {"kinds": dict(kinds.most_common()), "kernels": dict(kernels.most_common(SHOWN))}
