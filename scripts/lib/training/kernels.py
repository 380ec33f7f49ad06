"""Ways round two slow bf16 kernels of a processor.

Torch computes convolutions and products in bf16 with the units that a processor has for it. Two operations of diffusion models gain
nothing from them and lose much (torch 2.15, AMD EPYC with AVX512-BF16, one thread; benchmarks/README.md):

    fused attention   its backward pass takes four times as long in bf16 as in fp32
    GroupNorm         of images that lie channels-last takes several times as long as of others

A U-Net's step in bf16 was slower than in fp32 for these two alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class FastKernels(TorchFunctionMode):
    """A context in which attention that is learned through takes bf16 as fp32, and GroupNorm channels-last images as others.

    Both give back what they were asked for: precision and layout of the result are those of the first argument. Meant for a
    processor; on a GPU the kernels for bf16 and channels-last are the faster ones.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is functional.group_norm:
            return _group_norm(*args, **kwargs or {})
        if func is functional.scaled_dot_product_attention and torch.is_grad_enabled():  # forward alone bf16 is as fast
            return _attention(*args, **kwargs or {})
        return func(*args, **kwargs or {})


@contextmanager
def processor_autocast(dtype: torch.dtype) -> Iterator[None]:
    """Compute products in `dtype` on a processor, but for those that are faster in fp32."""
    with torch.autocast("cpu", dtype), FastKernels():
        yield


def _group_norm(input: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:  # named as torch names it
    if not _channels_last(input):
        return functional.group_norm(input, *args, **kwargs)
    done = functional.group_norm(input.contiguous(), *args, **kwargs)
    return done.contiguous(memory_format=torch.channels_last)


def _attention(query: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    widened = {name: _widened(value) for name, value in kwargs.items()}
    with torch.autocast("cpu", enabled=False):  # it would take the operands back to bf16
        wide = functional.scaled_dot_product_attention(_widened(query), *map(_widened, args), **widened)
    return wide.to(query.dtype)


def _channels_last(images: torch.Tensor) -> bool:
    return images.dim() == 4 and not images.is_contiguous() and images.is_contiguous(memory_format=torch.channels_last)


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16 else value
