"""Floating point operations of making an image, counted by torch on the meta device: no weights, no time, any size."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu_model import TOKENS, Shape, build_networks
from scripts.lib.generators.controlled.control import HintBranch, build_controlnet, predict_noise


def networks_of(shape: Shape) -> dict[str, Any]:
    """Return unet, vae, text_encoder and controlnet of a shape, without weights."""
    with torch.device("meta"):
        networks = build_networks(shape)
        networks["controlnet"] = build_controlnet(networks["unet"], shape.hint_channels, shape.factor)
    return networks


def parameters_of(shape: Shape) -> dict[str, int]:
    """Return the number of parameters by network."""
    return {name: sum(one.numel() for one in network.parameters()) for name, network in networks_of(shape).items()}


def sampling_operations(shape: Shape) -> dict[str, dict[str, int]]:
    """Return the operations of one image by kind: its steps, its hint (once), its decoding, and their sum.

    Products of matrices, convolutions and attention, two a multiply-add; texts are encoded once a prompt and left out.
    """
    networks, side = networks_of(shape), shape.resolution // shape.factor
    branch = HintBranch(networks["controlnet"])
    with torch.device("meta"), torch.no_grad():
        hint = torch.empty(1, 3, shape.resolution, shape.resolution)
        embedded, step = branch.embed(hint), torch.zeros((), dtype=torch.long)
        latents, text = torch.empty(1, 4, side, side), torch.empty(1, TOKENS, shape.text["hidden_size"])
        once = _count(lambda: branch.embed(hint))
        decode = _count(lambda: networks["vae"].decode(latents))
        alone = _count(lambda: predict_noise(networks["unet"], latents, step, text))
        joined = _count(lambda: predict_noise(networks["unet"], latents, step, text, branch, embedded))
    operations = {}
    for kind, passes, each, hints in (("text", 2, alone, 0), ("mask", 1, joined, once), ("both", 2, joined, once)):
        parts = {"steps": shape.steps * passes * each, "hint": hints, "decoding": decode}
        operations[kind] = {**parts, "image": sum(parts.values())}
    return operations


def _count(work: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()
