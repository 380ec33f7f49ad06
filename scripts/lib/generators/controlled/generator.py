"""A generator opened for training or sampling: its networks, tokenizer, schedule and notes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, ControlNetModel, DPMSolverMultistepScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.encoders.clip_text import open_tokenizer
from scripts.lib.encoders.folders import load_network
from scripts.lib.generators.controlled.absence import DIFFERENCE, START, absence_of
from scripts.lib.generators.controlled.layout import base_notes, read_model_index
from scripts.lib.generators.solvers import noise_schedule, training_scheduler


@dataclass
class ControlledGenerator:
    """A foundation model, with a ControlNet when the folder has one; everything else is read from its configs.

    `start`: what a tuned ControlNet began as, where its answers to an absent mask are taken as differences from it.
    """

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler_config: dict[str, Any]  # the noise schedule, every key stated (solvers.noise_schedule)
    notes: dict[str, Any]
    controlnet: ControlNetModel | None = None
    start: ControlNetModel | None = None

    @property
    def factor(self) -> int:
        """Pixels per latent along a side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return self.notes["resolution"]

    @property
    def fingerprint(self) -> str:
        """Hash of weights and configurations."""
        return self.notes["fingerprint"]

    @property
    def lineage(self) -> str:
        """Fingerprint of the generator that tuning began with, where this one was tuned, else its own.

        Both make the image of a condition from the same noise, so that they differ by the tuning alone.
        """
        return self.notes.get("lineage", self.fingerprint)

    def training_scheduler(self) -> DPMSolverMultistepScheduler:
        """Return the noise schedule that the U-Net was trained with."""
        return training_scheduler(self.scheduler_config)


def open_generator(folder: Path) -> ControlledGenerator:
    """Open a folder in diffusers' layout on the CPU in float32; raises InputError with one line for any fault in it."""
    folder = Path(folder)
    index = read_model_index(folder)
    schedule = folder / "scheduler" / "scheduler_config.json"
    scheduler_config = noise_schedule(read_json(schedule, "the noise schedule of a base model"), str(schedule))
    notes = base_notes(folder)
    unet = load_network(UNet2DConditionModel, folder / "unet")
    vae = load_network(AutoencoderKL, folder / "vae")
    text_encoder = load_network(CLIPTextModel, folder / "text_encoder")
    tokenizer = open_tokenizer(folder / "tokenizer", text_encoder.config)
    _check_scaling(folder, vae)
    for name, width, wanted in (
        ("text_encoder", text_encoder.config.hidden_size, unet.config.cross_attention_dim),
        ("vae", vae.config.latent_channels, unet.config.in_channels),
    ):
        if width != wanted:
            raise InputError(f"{folder}: {name} gives {width} channels, but unet/config.json expects {wanted}")
    return ControlledGenerator(
        vae=vae,
        unet=unet,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        scheduler_config=scheduler_config,
        notes=notes,
        controlnet=load_network(ControlNetModel, folder / "controlnet") if "controlnet" in index else None,
        start=load_network(ControlNetModel, folder / START) if absence_of(notes) == DIFFERENCE else None,
    )


def _check_scaling(folder: Path, vae: AutoencoderKL) -> None:
    """Raise InputError for latents that are not just multiplied by a factor (diffusers': 0.18215 where none is given)."""
    path, factor = folder / "vae" / "config.json", vae.config.scaling_factor
    if not isinstance(factor, (int, float)) or isinstance(factor, bool) or not factor > 0:
        raise InputError(f"{path}: scaling_factor = {factor!r}; expected a number above 0")
    for key in ("shift_factor", "latents_mean", "latents_std"):
        if vae.config.get(key):
            raise InputError(
                f"{path}: {key} is not supported; expected the autoencoder of a Stable Diffusion 1 or 2 model"
            )
