"""The networks of a class-conditional latent diffusion model: MONAI's autoencoder and U-Net.

MONAI's inferers pass no class, its schedulers end at wrong noise levels with few steps, and `AutoencoderKL.sampling` draws
from torch's global generator. So both networks are called directly here, and solvers and noise are the project's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from scripts.lib.core.errors import InputError
from scripts.lib.generators.conditional.monai_networks import AutoencoderKL, DiffusionModelUNet
from scripts.lib.training.settings import Section

SMALLEST = 4  # side of the smallest latents that a U-Net still learns a chest from


def autoencoder_form(settings: Section, resolution: int) -> dict[str, Any]:
    """Return the arguments of AutoencoderKL that `class_ldm.autoencoder` asks for; raises InputError for what does not fit."""
    channels = list(settings["channels"])
    factor = 2 ** (len(channels) - 1)
    if resolution % factor or resolution // factor < SMALLEST:
        raise InputError(
            f"settings: {settings.name}.channels = {channels}: {len(channels)} levels make latents of {resolution / factor:g} "
            f"pixels from films of {resolution}; expected a whole number from {SMALLEST}: take a width out"
        )
    _check_widths(settings, channels)
    return {
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 1,
        "channels": channels,
        "latent_channels": settings["latent_channels"],
        "num_res_blocks": settings["layers"],
        "norm_num_groups": settings["norm_groups"],
        "attention_levels": [False] * len(channels),
        "with_encoder_nonlocal_attn": settings["attention"],
        "with_decoder_nonlocal_attn": settings["attention"],
    }


def unet_form(settings: Section, latent_channels: int, side: int, classes: int) -> dict[str, Any]:
    """Return the arguments of DiffusionModelUNet for latents of `side`; the last of its `classes` + 1 classes is the null."""
    channels, attention, heads = list(settings["channels"]), list(settings["attention"]), settings["heads"]
    factor = 2 ** (len(channels) - 1)
    if side % factor:
        raise InputError(
            f"settings: {settings.name}.channels = {channels}: {len(channels)} levels do not divide latents of side {side}; "
            f"take a width out"
        )
    if len(attention) != len(channels):
        raise InputError(
            f"settings: {settings.name}.attention = {attention}: expected true or false for each of the {len(channels)} "
            f"levels of channels"
        )
    _check_widths(settings, channels)
    if any(width % heads for width in channels):
        raise InputError(
            f"settings: {settings.name}.heads = {heads}: does not divide every width of channels = {channels}"
        )
    return {
        "spatial_dims": 2,
        "in_channels": latent_channels,
        "out_channels": latent_channels,
        "channels": channels,
        "attention_levels": attention,
        "num_res_blocks": settings["layers"],
        "norm_num_groups": settings["norm_groups"],
        "num_head_channels": [width // heads for width in channels],
        "num_class_embeds": classes + 1,
    }


def _check_widths(settings: Section, channels: list[int]) -> None:
    if any(width % settings["norm_groups"] for width in channels):
        raise InputError(
            f"settings: {settings.name}.norm_groups = {settings['norm_groups']}: does not divide every width of channels = "
            f"{channels}"
        )


def build_autoencoder(form: Mapping[str, Any]) -> AutoencoderKL:
    """Return an autoencoder of this form, its weights drawn from torch's own generator."""
    return AutoencoderKL(**form)


def build_unet(form: Mapping[str, Any]) -> DiffusionModelUNet:
    """Return a U-Net of this form, its weights drawn from torch's own generator."""
    return DiffusionModelUNet(**form)


def encode(autoencoder: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Return the moments (n, 2 * C, h, w), means then log-variances, of images float (n, 1, H, W) in [-1, 1]."""
    mean, deviation = autoencoder.encode(images)
    return torch.cat([mean, 2 * deviation.float().log()], dim=1)


def predict(unet: DiffusionModelUNet, latents: torch.Tensor, step: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the U-Net's answer (n, C, h, w), float32, to noisy latents at one step, or one a latent, for classes int (n,)."""
    steps = step.to(latents.device).reshape(-1).expand(len(latents))
    return unet(latents, steps, class_labels=classes).float()
