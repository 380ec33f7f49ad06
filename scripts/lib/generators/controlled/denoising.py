"""The diffusion itself: the U-Net's form, noising, what is predicted, and the loss (equation 1 of the paper)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel

from scripts.lib.core.errors import InputError
from scripts.lib.generators.solvers import BETA_SCHEDULES, PREDICTIONS, stored_scheduler
from scripts.lib.training.settings import Section

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def build_unet(settings: Section, latent_channels: int, latent_side: int, text_width: int) -> UNet2DConditionModel:
    """Return a U-Net: `channels` and `attention` (self and cross, or none) by level, `layers`, `heads`, `norm_groups`."""
    channels, attention = settings["channels"], settings["attention"]
    if len(attention) != len(channels) or not any(attention):
        raise InputError(
            f"settings: {settings.name}.attention = {attention}: expected true or false for each of the "
            f"{len(channels)} levels of channels, and true once at least, or the text has no way in"
        )
    if latent_side % 2 ** (len(channels) - 1) or any(width % settings["norm_groups"] for width in channels):
        raise InputError(
            f"settings: {settings.name}.channels = {channels}: {len(channels)} levels do not fit latents of side "
            f"{latent_side}, or norm_groups ({settings['norm_groups']}) does not divide every width"
        )
    return UNet2DConditionModel(
        sample_size=latent_side,
        in_channels=latent_channels,
        out_channels=latent_channels,
        layers_per_block=settings["layers"],
        block_out_channels=tuple(channels),
        down_block_types=tuple("CrossAttnDownBlock2D" if here else "DownBlock2D" for here in attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attention)),
        cross_attention_dim=text_width,
        # diffusers reads this as the number of heads.
        attention_head_dim=settings["heads"],
        norm_num_groups=settings["norm_groups"],
        # The text's pooled vector joins the embedding of time, so that a small U-Net learns the text in few steps.
        addition_embed_type="text",
        addition_embed_type_num_heads=settings["heads"],
    )


def build_scheduler(settings: Section) -> DPMSolverMultistepScheduler:
    """Return the noise schedule of a new base: `train_timesteps`, betas, `prediction`."""
    return stored_scheduler(
        {
            "num_train_timesteps": settings["train_timesteps"],
            "beta_start": settings["beta_start"],
            "beta_end": settings["beta_end"],
            "beta_schedule": settings.one_of("beta_schedule", *BETA_SCHEDULES),
            "prediction_type": settings.one_of("prediction", *PREDICTIONS),
        }
    )


def draw_timesteps(count: int, limit: int, noise: torch.Generator) -> torch.Tensor:
    """Return `count` time steps in [0, limit), one from each of `count` equal strata, so that a batch covers all."""
    places = (torch.arange(count) + torch.rand(count, generator=noise)) / count
    return (places * limit).long().clamp_(max=limit - 1)


def add_noise(latents: torch.Tensor, noise: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Return z_t = sqrt(a) z + sqrt(1 - a) noise; `kept` is a, the cumulative product of alphas, (n,)."""
    kept = kept.view(-1, 1, 1, 1)
    return kept.sqrt() * latents + (1 - kept).sqrt() * noise


def target(latents: torch.Tensor, noise: torch.Tensor, kept: torch.Tensor, prediction: str) -> torch.Tensor:
    """Return what the U-Net shall predict: the noise, or v = sqrt(a) noise - sqrt(1 - a) z."""
    if prediction == "epsilon":
        return noise
    if prediction != "v_prediction":
        raise InputError(f"prediction type {prediction!r} of the base model is not supported: epsilon or v_prediction")
    kept = kept.view(-1, 1, 1, 1)
    return kept.sqrt() * noise - (1 - kept).sqrt() * latents


def snr_weights(kept: torch.Tensor, prediction: str, gamma: float | None) -> torch.Tensor:
    """Return each sample's weight (n,): 1, or min(SNR, gamma) / SNR for noise, / (SNR + 1) for v (Min-SNR)."""
    if gamma is None:
        return torch.ones_like(kept)
    snr = kept / (1 - kept)
    return snr.clamp(max=gamma) / (snr + (prediction == "v_prediction"))


def denoising_loss(
    predict: Predict,
    latents: torch.Tensor,
    noise: torch.Generator,
    scheduler: DPMSolverMultistepScheduler,
    gamma: float | None = None,
) -> torch.Tensor:
    """Return the mean over samples of weight * ||target - predict(z_t, t)||^2 / elements, a scalar (equation 1).

    `latents` float (n, C, h, w), scaled, on any device; `noise` is a CPU generator.
    """
    device = latents.device
    steps = draw_timesteps(len(latents), scheduler.config.num_train_timesteps, noise)
    gaussian = torch.randn(latents.shape, generator=noise).to(device)
    kept = scheduler.alphas_cumprod[steps].to(device)
    prediction = scheduler.config.prediction_type
    guess = predict(add_noise(latents, gaussian, kept), steps.to(device)).float()
    errors = (guess - target(latents, gaussian, kept, prediction)).pow(2).mean((1, 2, 3))
    return (errors * snr_weights(kept, prediction, gamma)).mean()
