"""The networks of a shape (shapes.py) on torch's meta device: their parameters and operations, without weights or data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

HINT, GROUPS = 3, (32, 8)


def key_of(shape: Mapping[str, Any]) -> str:
    """Return a shape as text, so that what is counted for it can be kept."""
    return json.dumps(shape, sort_keys=True)


@cache
def generator_networks(key: str) -> dict[str, Any]:
    """Return unet, controlnet and vae of a shape with the keys unet, vae, hint_channels (key_of), on the meta device.

    `vae.attention` (left out: none) is self-attention in the middle; `unet.pooled` that of the pooled text, as small bases have it.
    """
    import torch
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

    given = json.loads(key)
    unet, vae = given["unet"], given["vae"]
    widths = [*unet["channels"], *vae["channels"]]
    groups = next((g for g in GROUPS if all(width % g == 0 for width in widths)), 1)
    kinds = ["CrossAttnDownBlock2D" if here else "DownBlock2D" for here in unet["attention"]]
    pooled = (
        {"addition_embed_type": "text", "addition_embed_type_num_heads": unet["heads"]} if unet.get("pooled") else {}
    )
    shared = {
        "in_channels": vae["latents"], "layers_per_block": unet["layers"], "block_out_channels": tuple(unet["channels"]),
        "down_block_types": tuple(kinds), "cross_attention_dim": unet["text"], "attention_head_dim": unet["heads"],
        "norm_num_groups": groups, **pooled,
    }  # fmt: skip
    ups = tuple(kind.replace("Down", "Up") for kind in reversed(kinds))
    levels = len(vae["channels"])
    with torch.device("meta"):
        return {
            "unet": UNet2DConditionModel(out_channels=vae["latents"], up_block_types=ups, **shared),
            "controlnet": ControlNetModel(conditioning_embedding_out_channels=tuple(given["hint_channels"]), **shared),
            "vae": AutoencoderKL(
                in_channels=vae.get("colours", 1), out_channels=vae.get("colours", 1), layers_per_block=vae["layers"],
                block_out_channels=tuple(vae["channels"]), latent_channels=vae["latents"], norm_num_groups=groups,
                down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
                mid_block_add_attention=vae.get("attention", False),
            ),
        }  # fmt: skip


@cache
def parameters(key: str) -> dict[str, int]:
    """Return the number of parameters of the generator's networks by part."""
    return {part: size(network) for part, network in generator_networks(key).items()}


def size(network: Any) -> int:
    """Return a network's number of parameters."""
    return sum(own.numel() for own in network.parameters())


def count(run: Callable[[], Any], learns: bool = False) -> float:
    """Return the operations of a call on meta tensors; with `learns` also those of the gradients of its result's sum.

    Two a multiply-add, as torch counts; of matrix products and convolutions alone.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(learns):
        result = run()
        if learns:
            result.sum().backward()
    return float(counter.get_total_flops())


@cache
def denoising(key: str, side: int, trains: tuple[str, ...] = (), hinted: bool = True) -> float:
    """Return the operations of one image through U-Net and (`hinted`) ControlNet at one time step.

    With `trains` (parts) also of the gradients that reach those parts: those of a ControlNet flow back through the decoder of
    the frozen U-Net. The hint is embedded anew only where something learns, as in the trainers.
    """
    import torch

    networks = generator_networks(key)
    unet, control = networks["unet"].train(), networks["controlnet"].train()
    for part in ("unet", "controlnet"):
        networks[part].requires_grad_(part in trains)
        networks[part].zero_grad(set_to_none=True)
    latent = side // 2 ** (len(networks["vae"].config.block_out_channels) - 1)
    latents = torch.empty(1, unet.config.in_channels, latent, latent, device="meta")
    # Stable Diffusion reads 77 tokens; of a small base at least a few.
    text = torch.empty(
        1, 77 if unet.config.cross_attention_dim >= 768 else 24, unet.config.cross_attention_dim, device="meta"
    )
    step, hint = torch.zeros(1, dtype=torch.long, device="meta"), torch.empty(1, HINT, side, side, device="meta")

    def run() -> torch.Tensor:
        more = {}
        if hinted:
            down, middle = control(latents, step, encoder_hidden_states=text, controlnet_cond=hint, return_dict=False)
            more = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        return unet(latents, step, encoder_hidden_states=text, return_dict=False, **more)[0]

    return count(run, bool(trains)) - (embedding(key, side) if hinted and not trains else 0)


@cache
def embedding(key: str, side: int) -> float:
    """Return the operations of embedding one hint."""
    import torch

    part = generator_networks(key)["controlnet"].controlnet_cond_embedding
    return count(lambda: part(torch.empty(1, HINT, side, side, device="meta")))


@cache
def autoencoding(key: str, side: int, learns: bool = False) -> float:
    """Return the operations of decoding one image; with `learns` of encoding, decoding and their gradients."""
    import torch

    vae = generator_networks(key)["vae"].requires_grad_(learns)
    latent = side // 2 ** (len(vae.config.block_out_channels) - 1)
    if learns:
        return count(lambda: vae.decode(vae.encode(_film(vae, side)).latent_dist.mean).sample, learns=True)
    return count(lambda: vae.decode(torch.empty(1, vae.config.latent_channels, latent, latent, device="meta")).sample)


@cache
def film_encoding(key: str, side: int) -> float:
    """Return the operations of one film into its latents."""
    vae = generator_networks(key)["vae"].requires_grad_(False)
    return count(lambda: vae.encode(_film(vae, side)).latent_dist.mean)


def _film(vae: Any, side: int) -> Any:
    import torch

    return torch.empty(1, vae.config.in_channels, side, side, device="meta")


@cache
def downstream(key: str) -> Any:
    """Return the model of a trial's shape on the meta device; one label, whose layer is next to nothing."""
    from scripts.lib.downstream.models import build_model

    given = json.loads(key)
    own = {**given, "grey": {"mean": 0.0, "std": 1.0}, "model": {**given["model"], "weights": None, "frozen": False}}
    return build_model(own, 1, given["resolution"], 0).to("meta").eval()


@cache
def film(key: str, learns: bool = False) -> float:
    """Return the operations of one film through a trial's model; with `learns` also of the gradients of its weights."""
    import torch

    given, model = json.loads(key), downstream(key)
    side = given["image_size"] or given["resolution"]
    return count(lambda: model(torch.empty(1, 1, side, side, device="meta")), learns)
