"""Floating point operations of one unit at the configured shapes, counted on torch's meta device: no weights, no data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from scripts.lib.config import stage
from scripts.lib.planning.shapes import base_shape


def operations_of(config: Mapping[str, Any], rule: str, unit: str, dataset: str | None) -> float | None:
    """Return the operations of one unit of a stage, None where they are not counted. Two a multiply-add, as torch counts."""
    side = config["study"]["resolution"]
    shape = json.dumps({**base_shape(config), "hint": config["controlnet"]["hint_channels"]}, sort_keys=True)
    if rule == "sample_pool":
        own, kind = config["sampling"], unit.split()[0]
        passes = 2 if kind != "mask" and own["guidance"] > 1 else 1
        counted = _diffusion(shape, side)
        step = counted["unet"] + (0 if kind == "text" else counted["controlnet"])
        return own["steps"] * passes * step + counted["decoder"]
    if rule in ("train_controlnet", "finetune_proxy", "train_dpo"):
        section = config[{"train_controlnet": "controlnet", "finetune_proxy": "finetune", "train_dpo": "dpo"}[rule]]
        images = section["batch_size"] * section["gradient_accumulation"] * (2 if rule == "train_dpo" else 1)
        counted = _diffusion(shape, side)
        reference = counted["unet"] + counted["controlnet"] if rule == "train_dpo" else 0
        # Forward of both, backward of the ControlNet twice that; the frozen U-Net's backward is left out, so this is a floor.
        return images * (counted["unet"] + 3 * counted["controlnet"] + reference)
    if rule == "train_trials":
        own = stage(config, "trials", str(dataset))
        text = json.dumps({**own, "model": {**own["model"], "weights": None}}, sort_keys=True)
        forward = _downstream(text, side)
        if unit == "test film":
            return forward
        return own["batch_size"] * forward * (1 if own["model"]["frozen"] else 3)
    return None


def count(run: Callable[[], Any]) -> float:
    """Return the operations of a call on meta tensors."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return float(counter.get_total_flops())


@cache
def _diffusion(shape: str, side: int) -> dict[str, float]:
    """Return the operations of one pass of one image through U-Net, ControlNet and decoder."""
    import torch
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

    given = json.loads(shape)
    unet, vae = given["unet"], given["vae"]
    latent = side // 2 ** (len(vae["channels"]) - 1)
    groups = 32 if unet["channels"][0] % 32 == 0 and vae["channels"][0] % 32 == 0 else 8
    kinds = ["CrossAttnDownBlock2D" if here else "DownBlock2D" for here in unet["attention"]]
    shared = {
        "in_channels": vae["latents"], "layers_per_block": unet["layers"], "block_out_channels": tuple(unet["channels"]),
        "down_block_types": tuple(kinds), "cross_attention_dim": unet["text"], "attention_head_dim": unet["heads"],
        "norm_num_groups": groups,
    }  # fmt: skip
    ups = tuple(kind.replace("Down", "Up") for kind in reversed(kinds))
    with torch.device("meta"):
        network = UNet2DConditionModel(sample_size=latent, out_channels=vae["latents"], up_block_types=ups, **shared)
        control = ControlNetModel(conditioning_embedding_out_channels=tuple(given["hint"]), **shared)
        decoder = AutoencoderKL(
            in_channels=1, out_channels=1, block_out_channels=tuple(vae["channels"]), layers_per_block=vae["layers"],
            down_block_types=("DownEncoderBlock2D",) * len(vae["channels"]), norm_num_groups=groups,
            up_block_types=("UpDecoderBlock2D",) * len(vae["channels"]), latent_channels=vae["latents"],
        )  # fmt: skip
        latents, text = torch.empty(1, vae["latents"], latent, latent), torch.empty(1, 77, unet["text"])
        hint, step = torch.empty(1, 3, side, side), torch.zeros(1, dtype=torch.long)
        return {
            "unet": count(lambda: network(latents, step, encoder_hidden_states=text)),
            "controlnet": count(lambda: control(latents, step, encoder_hidden_states=text, controlnet_cond=hint)),
            "decoder": count(lambda: decoder.decode(latents)),
        }


@cache
def _downstream(settings: str, side: int) -> float:
    """Return the operations of one film's forward pass through a trial's model."""
    import torch

    from scripts.lib.downstream.models import build_model

    own = json.loads(settings)
    own["model"]["frozen"] = False
    labels = 1 if isinstance(own["target"], str) else len(own["target"])
    model = build_model(own, labels, side, 0).to("meta").eval()
    return count(lambda: model(torch.empty(1, 1, side, side, device="meta")))
