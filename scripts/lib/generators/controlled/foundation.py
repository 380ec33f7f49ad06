"""Train the foundation model: first the autoencoder, then U-Net and text encoder together (as RoentGen did)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from scripts.lib.conditions.prompts import TextCell
from scripts.lib.core.log import log
from scripts.lib.core.seeds import derive_seed
from scripts.lib.encoders.clip_text import build_text_encoder, plain_text, save_tokenizer, train_tokenizer
from scripts.lib.generators.controlled.autoencoder import (
    autoencoder_loss,
    build_autoencoder,
    encode_images,
    latent_scaling,
    sample_latents,
    to_model,
)
from scripts.lib.generators.controlled.contrast import Matcher, contrast, text_numbers
from scripts.lib.generators.controlled.control import predict_noise
from scripts.lib.generators.controlled.denoising import build_scheduler, build_unet, denoising_loss
from scripts.lib.generators.controlled.encoding import Tokens, encode_text, tokenize
from scripts.lib.generators.controlled.layout import BASE_PARTS, CLASSES, describe_files, write_model_index, write_notes
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.films import FoundationFilms
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section


@dataclass
class Foundation:
    """The trained parts of a foundation model."""

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DPMSolverMultistepScheduler


@dataclass(frozen=True)
class Latents:
    """Films as the U-Net sees them: moments (N, 2 * C, h, w), the factor that scales them, and their texts."""

    moments: torch.Tensor
    scaling: float
    tokens: Tokens
    reports: list[TextCell]


def fast_layout(network: torch.nn.Module, placement: Placement) -> torch.nn.Module:
    """Move a network to its device, convolution weights in the memory order that is fastest there."""
    return network.to(placement.device).to(memory_format=torch.channels_last)


def on_device(encoder: CLIPTextModel, placement: Placement) -> CLIPTextModel:
    """Move a text encoder to its device, by torch's own `to`: transformers' has lost its types."""
    return torch.nn.Module.to(encoder, placement.device)


def seeded(seed: int, *names: str) -> torch.Generator:
    """Seed torch's own generator, from which libraries draw initial weights, by name."""
    return torch.manual_seed(derive_seed(seed, *names))


def train_foundation(
    films: FoundationFilms,
    settings: Section,
    resolution: int,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
) -> Foundation:
    """Train all parts; `settings` is the section `base`."""
    vae = train_autoencoder(films.images, settings["vae"], resolution, seed, placement, checkpoints)
    moments = encode_images(vae, films.images)
    vae.register_to_config(scaling_factor=latent_scaling(moments))
    known = [text for text in map(plain_text, films.reports) if text is not None]
    tokenizer = train_tokenizer(known, settings["text"]["vocabulary"], settings["text"]["max_tokens"])
    latents = Latents(moments, vae.config.scaling_factor, tokenize(films.reports, tokenizer), films.reports)
    encoder = train_text_encoder(latents, settings["text"], tokenizer, seed, placement, checkpoints)
    unet, scheduler = train_unet(latents, encoder, settings, seed, placement, checkpoints)
    return Foundation(vae, unet, encoder.eval(), tokenizer, scheduler)


def train_autoencoder(
    images: np.ndarray,
    settings: Section,
    resolution: int,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
) -> AutoencoderKL:
    """Train the autoencoder on images uint8 (N, H, W); its parameters are frozen afterwards."""
    seeded(seed, "train_base", "vae")
    vae = fast_layout(build_autoencoder(settings, resolution), placement)

    def loss(rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        batch = to_model(images[rows]).to(placement.device).contiguous(memory_format=torch.channels_last)
        return autoencoder_loss(vae, batch, noise, settings)

    Trainer({"vae": vae}, settings, seed, "train_base vae", placement).train(loss, len(images), checkpoints)
    return vae.requires_grad_(False).eval()


def train_text_encoder(
    latents: Latents,
    settings: Section,
    tokenizer: CLIPTokenizer,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
) -> CLIPTextModel:
    """Train the text encoder to match texts with latents, as CLIP was; `settings` is the section `base.text`."""
    seeded(seed, "train_base", "text")
    encoder = on_device(build_text_encoder(settings, tokenizer), placement)
    channels, side = latents.moments.shape[1] // 2, latents.moments.shape[-1]
    matcher = Matcher(channels, side, settings["hidden"]).to(placement.device)
    numbers = text_numbers([plain_text(text) for text in latents.reports])

    def loss(rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        tokens, moments = latents.tokens.rows(rows), latents.moments[rows]
        return contrast(matcher, encoder, moments, tokens, numbers[rows], noise, latents.scaling)

    trainer = Trainer({"text": encoder, "matcher": matcher}, settings, seed, "train_base text", placement)
    trainer.train(loss, len(numbers), checkpoints)
    return encoder


def train_unet(
    latents: Latents,
    encoder: CLIPTextModel,
    settings: Section,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
) -> tuple[UNet2DConditionModel, DPMSolverMultistepScheduler]:
    """Train the U-Net on noised latents, and the text encoder with it; `settings` is the section `base`."""
    unet_settings, text = settings["unet"], settings["text"]
    seeded(seed, "train_base", "unet")
    unet = build_unet(unet_settings, latents.moments.shape[1] // 2, latents.moments.shape[-1], text["hidden"])
    unet = fast_layout(unet, placement)
    scheduler = build_scheduler(settings["diffusion"])

    def loss(rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        clean = sample_latents(latents.moments[rows], noise, latents.scaling).to(placement.device)
        # The model also learns to go without text: for guidance, and for the paper's "N/A".
        kept = torch.rand(len(rows), generator=noise) >= text["dropout"]
        states = encode_text(latents.tokens.rows(rows, keep=kept), encoder)
        return denoising_loss(
            lambda noisy, steps: predict_noise(unet, noisy, steps, states),
            clean,
            noise,
            scheduler,
            unet_settings["min_snr_gamma"],
        )

    rates = {"unet": 1.0, "text": unet_settings["text_rate"]}
    trainer = Trainer({"unet": unet, "text": encoder}, unet_settings, seed, "train_base unet", placement, rates)
    trainer.train(loss, len(latents.moments), checkpoints)
    return unet.eval(), scheduler


def write_foundation(folder: Path, model: Foundation, resolution: int) -> None:
    """Write the foundation model in the layout of a StableDiffusionPipeline."""
    for part in ("vae", "unet", "text_encoder"):
        getattr(model, part).to("cpu", memory_format=torch.contiguous_format).save_pretrained(
            folder / part, safe_serialization=True
        )
    save_tokenizer(model.tokenizer, folder / "tokenizer")
    model.scheduler.save_pretrained(folder / "scheduler")
    write_model_index(folder, "StableDiffusionPipeline", {part: CLASSES[part] for part in BASE_PARTS})
    fingerprint = write_notes(folder, describe_files(folder, BASE_PARTS), resolution=resolution, kind="foundation")
    log(f"foundation model {fingerprint}: {resolution} pixels, latents {model.unet.config.sample_size}")
