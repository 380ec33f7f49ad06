"""Train a class-conditional latent diffusion model: the autoencoder first, then the U-Net on its latents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from scripts.lib.core.seeds import derive_seed
from scripts.lib.generators.conditional.films import ClassFilms
from scripts.lib.generators.conditional.networks import (
    autoencoder_form,
    build_autoencoder,
    build_unet,
    encode,
    predict,
    unet_form,
)
from scripts.lib.generators.controlled.autoencoder import latent_scaling, sample_latents, to_model
from scripts.lib.generators.controlled.denoising import build_scheduler, denoising_loss
from scripts.lib.generators.solvers import noise_schedule
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section

CODER, STAGE = "train_class_autoencoder", "train_class_ldm"
BATCH = 64  # films in one pass of the encoder; its answers do not depend on it but in low bits


@dataclass(frozen=True)
class Autoencoder:
    """A trained autoencoder, its form, and the moments float32 (N, 2 * C, h, w) and scaling of the films' latents."""

    network: Any
    form: Mapping[str, Any]
    moments: torch.Tensor
    scaling: float

    @classmethod
    def of(cls, network: Any, form: Mapping[str, Any], images: np.ndarray) -> Autoencoder:
        """Return a trained network with what it makes of films uint8 (N, H, W)."""
        moments = encode_films(network, images)
        return cls(network, form, moments, latent_scaling(moments))


@dataclass(frozen=True)
class ClassModelParts:
    """The trained parts of a model: networks with their forms, the scaling of latents, and the noise schedule."""

    autoencoder: Any
    autoencoder_form: Mapping[str, Any]
    unet: Any
    unet_form: Mapping[str, Any]
    scaling: float
    schedule: Mapping[str, Any]


def train_autoencoder(
    films: ClassFilms, settings: Section, resolution: int, seed: int, placement: Placement, checkpoints: Checkpoints
) -> tuple[Any, dict[str, Any]]:
    """Train an autoencoder on all films and return it with its form; `settings` is class_ldm.autoencoder."""
    form = autoencoder_form(settings, resolution)
    torch.manual_seed(derive_seed(seed, CODER))
    network = build_autoencoder(form).to(placement.device).to(memory_format=torch.channels_last)

    def loss(rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        images = to_model(films.images[rows]).to(placement.device).contiguous(memory_format=torch.channels_last)
        return autoencoder_loss(network, images, noise, settings["kl_weight"])

    trainer = Trainer({"autoencoder": network}, settings, seed, CODER, placement)
    trainer.train(loss, len(films.images), checkpoints)
    return network.requires_grad_(False).eval(), form


def autoencoder_loss(network: Any, images: torch.Tensor, noise: torch.Generator, kl_weight: float) -> torch.Tensor:
    """Return the mean L1 error of the pixels and kl_weight times the KL divergence a film (summed over its latent), a scalar.

    `images` float (n, 1, H, W) in [-1, 1]; `noise` is a CPU generator.
    """
    moments = encode(network, images)
    mean, logvar = moments.chunk(2, dim=1)
    drawn = torch.randn(mean.shape, generator=noise).to(images.device)
    decoded = network.decode(mean + (0.5 * logvar).exp() * drawn)
    divergence = 0.5 * (mean.float().pow(2) + logvar.exp() - 1 - logvar).sum((1, 2, 3)).mean()
    return functional.l1_loss(decoded.float(), images) + kl_weight * divergence


@torch.no_grad()
def encode_films(network: Any, images: np.ndarray) -> torch.Tensor:
    """Return the moments float32 (n, 2 * C, h, w), on the CPU, of films uint8 (n, H, W)."""
    device = next(network.parameters()).device
    parts = [to_model(images[start : start + BATCH]).to(device) for start in range(0, len(images), BATCH)]
    return torch.cat([encode(network, part).float().cpu() for part in parts])


def train_unet(
    films: ClassFilms,
    latents: Autoencoder,
    settings: Section,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
) -> ClassModelParts:
    """Train the U-Net on noised latents of the films and their classes; `settings` is the section class_ldm.

    A share `class_dropout` of classes becomes the null class, which guidance leads away from.
    """
    own = settings["unet"]
    channels, side = latents.moments.shape[1] // 2, latents.moments.shape[-1]
    null = len(films.names)
    form = unet_form(own, channels, side, null)
    torch.manual_seed(derive_seed(seed, STAGE))
    unet = build_unet(form).to(placement.device).to(memory_format=torch.channels_last)
    scheduler = build_scheduler(settings["diffusion"])
    classes = torch.from_numpy(films.classes)

    def loss(rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        clean = sample_latents(latents.moments[rows], noise, latents.scaling).to(placement.device)
        dropped = torch.rand(len(rows), generator=noise) < own["class_dropout"]
        shown = torch.where(dropped, null, classes[rows]).to(placement.device)
        return denoising_loss(
            lambda noisy, steps: predict(unet, noisy, steps, shown), clean, noise, scheduler, own["min_snr_gamma"]
        )

    trainer = Trainer({"unet": unet}, own, seed, STAGE, placement)
    trainer.train(loss, len(films.classes), checkpoints)
    schedule = noise_schedule(scheduler.config)
    return ClassModelParts(latents.network, latents.form, unet.eval(), form, latents.scaling, schedule)
