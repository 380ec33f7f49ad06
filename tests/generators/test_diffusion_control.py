"""The ControlNet: a silent start, a hint embedded once, and what an absent mask means."""

from __future__ import annotations

import pytest
import torch
from diffusers import ControlNetModel

from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.control import HintBranch, build_controlnet, predict_noise
from scripts.lib.generators.controlled.generator import open_generator
from tests.helpers.diffusion_models import random_generator, write_base


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture()
def inputs():
    stream = torch.Generator().manual_seed(0)
    latents, hints = torch.randn(3, 4, 16, 16, generator=stream), torch.rand(3, 3, 32, 32, generator=stream)
    return latents, torch.tensor([10, 500, 900]), torch.randn(3, 8, 16, generator=stream), hints


@torch.no_grad()
def test_a_new_controlnet_is_silent(folder, inputs):
    base = open_generator(folder)
    branch = HintBranch(build_controlnet(base.unet, [4, 8], base.factor))
    latents, steps, text, hints = inputs
    plain = predict_noise(base.unet, latents, steps, text)
    assert torch.equal(predict_noise(base.unet, latents, steps, text, branch, branch.embed(hints)), plain)


@torch.no_grad()
def test_the_hint_embedded_once_equals_the_stock_forward(folder, inputs):
    generator = random_generator(folder)
    latents, steps, text, hints = inputs
    stock_down, stock_middle = generator.controlnet(latents, steps, text, hints, return_dict=False)
    branch = HintBranch(generator.controlnet)
    down, middle = branch(latents, steps, text, branch.embed(hints))
    assert max((a - b).abs().max().item() for a, b in zip([*down, middle], [*stock_down, stock_middle])) < 1e-5
    assert middle.abs().max() > 1e-3
    again = branch.whole()
    assert torch.equal(again(latents, steps, text, hints, return_dict=False)[1], stock_middle)


@torch.no_grad()
def test_an_absent_mask_is_the_plain_unet_sample_by_sample(folder, inputs):
    generator = random_generator(folder)
    branch = HintBranch(generator.controlnet)
    latents, steps, text, hints = inputs
    present = torch.tensor([True, False, True])
    mixed = predict_noise(generator.unet, latents, steps, text, branch, branch.embed(hints), present)
    full = predict_noise(generator.unet, latents, steps, text, branch, branch.embed(hints))
    plain = predict_noise(generator.unet, latents, steps, text)
    assert torch.allclose(mixed[1], plain[1], atol=1e-6) and torch.allclose(mixed[[0, 2]], full[[0, 2]], atol=1e-6)
    assert (full[1] - plain[1]).abs().max() > 1e-3


def test_gradients_reach_the_controlnet_alone(folder, inputs):
    generator = random_generator(folder)
    generator.unet.requires_grad_(False)
    branch = HintBranch(generator.controlnet)
    latents, steps, text, hints = inputs
    predict_noise(generator.unet, latents, steps, text, branch, branch.embed(hints)).sum().backward()
    assert all(parameter.grad is None for parameter in generator.unet.parameters())
    assert branch.embedding.conv_in.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_a_pooled_text_keeps_its_heads(inputs):
    from scripts.lib.generators.controlled.denoising import build_unet
    from scripts.lib.training.settings import Section
    from tests.helpers.diffusion_models import BASE

    torch.manual_seed(0)
    unet = build_unet(Section(BASE["unet"], "unet"), 4, 16, 16).eval()
    controlnet = build_controlnet(unet, [4, 8], 2).eval()
    assert controlnet.config.addition_embed_type_num_heads == unet.config.addition_embed_type_num_heads == 2
    _, _, text, _ = inputs
    assert torch.equal(controlnet.add_embedding(text), unet.add_embedding(text))
    assert not torch.equal(unet.add_embedding(text), unet.add_embedding(torch.zeros_like(text)))


def test_bgr_hints_and_wrong_widths_are_refused(folder):
    base = open_generator(folder)
    bgr = ControlNetModel.from_unet(
        base.unet, controlnet_conditioning_channel_order="bgr", conditioning_embedding_out_channels=(4, 8)
    )
    with pytest.raises(InputError, match="BGR"):
        HintBranch(bgr)
    with pytest.raises(InputError, match="give log2"):
        build_controlnet(base.unet, [4, 8, 8], base.factor)
