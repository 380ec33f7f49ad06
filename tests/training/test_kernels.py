"""The ways round slow kernels change where a value is computed, and not what it is, its precision or its layout."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from scripts.lib.training.devices import Placement
from scripts.lib.training.kernels import FastKernels, processor_autocast

HALF = Placement(torch.device("cpu"), torch.bfloat16)
LAYOUTS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}


def drawn(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def learned(images: torch.Tensor, norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a norm's answer to images, and the gradient of a sum of its weighted values."""
    leaf = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    answer = norm(leaf)
    (answer.float() * torch.linspace(-1, 1, answer.shape[-1])).sum().backward()
    assert leaf.grad is not None
    return answer.detach(), leaf.grad


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_a_norm_gives_the_same_values_precision_and_layout(layout: str, dtype: torch.dtype) -> None:
    images = drawn(3, 8, 6, 6, dtype=dtype).contiguous(memory_format=LAYOUTS[layout])
    norm = nn.GroupNorm(4, 8).to(dtype)
    with FastKernels():
        ours, slope = learned(images, norm)
    plain, true_slope = learned(images.float(), nn.GroupNorm(4, 8))
    assert ours.dtype == slope.dtype == dtype
    assert ours.is_contiguous(memory_format=LAYOUTS[layout])
    # bf16 keeps 8 bits: 4 * 2^-8 = .016 at the largest value of about 4
    room = 0.02 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(ours.float(), plain, atol=room, rtol=room)
    torch.testing.assert_close(slope.float(), true_slope, atol=room, rtol=room)


def test_a_norm_of_tokens_is_left_alone() -> None:
    tokens, norm = drawn(2, 8, 9), nn.GroupNorm(4, 8).to(torch.bfloat16)  # as diffusers' attention hands them over
    plain = norm(tokens)
    with FastKernels():
        assert torch.equal(norm(tokens), plain)


def test_attention_that_is_learned_through_is_that_of_fp32() -> None:
    query, key, value = (drawn(2, 2, size, 4).requires_grad_() for size in (5, 7, 7))
    with processor_autocast(torch.bfloat16):
        ours = functional.scaled_dot_product_attention(query, key, value)
    exact = functional.scaled_dot_product_attention(query.float(), key.float(), value.float())
    assert ours.dtype == torch.bfloat16 and torch.equal(ours, exact.to(torch.bfloat16))
    ours.float().sum().backward()
    assert value.grad is not None and torch.isfinite(value.grad).all()


def test_operands_may_be_given_by_name() -> None:
    # diffusers' dispatch_attention_fn does so, and positions and names mean the same.
    query, key, value = (drawn(1, 2, 3, 4).requires_grad_() for _ in range(3))
    images, norm = drawn(2, 8, 4, 4).contiguous(memory_format=torch.channels_last), nn.GroupNorm(4, 8).bfloat16()
    with FastKernels():
        named = functional.scaled_dot_product_attention(query=query, key=key, value=value, is_causal=True)
        placed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        normed = functional.group_norm(input=images, num_groups=4, weight=norm.weight, bias=norm.bias)
        assert torch.equal(named, placed) and torch.equal(normed, norm(images))
    wide = (one.float() for one in (query, key, value))
    assert torch.equal(named, functional.scaled_dot_product_attention(*wide, is_causal=True).bfloat16())


def test_its_mask_may_be_bf16_or_bool() -> None:
    query, key, value = (drawn(1, 1, 3, 4).requires_grad_() for _ in range(3))
    hides = torch.tensor([[True, False, False]]).expand(3, 3)
    shifts = torch.zeros(3, 3, dtype=torch.bfloat16).masked_fill(~hides, float("-inf"))
    with FastKernels():
        for mask in (hides, shifts):  # all look at the first value alone
            seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            assert torch.equal(seen, value[:, :, :1].expand_as(seen))


def test_attention_without_a_gradient_keeps_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    query = drawn(1, 1, 3, 4)
    monkeypatch.setattr(torch.Tensor, "float", lambda one: pytest.fail("it was widened"))
    with torch.inference_mode(), FastKernels():
        functional.scaled_dot_product_attention(query, query, query)


def test_products_and_convolutions_stay_in_bf16() -> None:
    layer, images = nn.Conv2d(3, 4, 3), drawn(1, 3, 8, 8, dtype=torch.float32)
    with HALF.autocast():
        assert layer(images).dtype == torch.bfloat16
        assert (images @ images).dtype == torch.bfloat16


def test_only_a_processor_in_bf16_goes_round() -> None:
    plain, gpu = Placement(torch.device("cpu"), torch.float32), Placement(torch.device("cuda"), torch.bfloat16)
    assert isinstance(HALF.kernels(), FastKernels)
    assert not any(isinstance(where.kernels(), FastKernels) for where in (plain, gpu))


def test_a_placements_autocast_goes_round_as_well() -> None:
    query, key, value = (drawn(1, 2, 3, 4).requires_grad_() for _ in range(3))
    with HALF.autocast():
        ours = functional.scaled_dot_product_attention(query, key, value)
    wide = (one.float() for one in (query, key, value))
    assert torch.equal(ours, functional.scaled_dot_product_attention(*wide).bfloat16())
