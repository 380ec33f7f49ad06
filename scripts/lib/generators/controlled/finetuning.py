"""Train a generator further on a chosen part of its own images, text present (the paper's proxy fine-tuning)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.prompts import TextCell
from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.absence import BLACK, DIFFERENCE, tuned_absence
from scripts.lib.generators.controlled.autoencoder import encode_images, sample_latents
from scripts.lib.generators.controlled.control import HintBranch, predict_noise
from scripts.lib.generators.controlled.denoising import denoising_loss
from scripts.lib.generators.controlled.encoding import encode_text, tokenize
from scripts.lib.generators.controlled.foundation import fast_layout, on_device
from scripts.lib.generators.controlled.generator import ControlledGenerator
from scripts.lib.generators.controlled.hints import HintPainter
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.loop import Trainer
from scripts.lib.training.resolution import fit_images
from scripts.lib.training.settings import Section

TRAINABLE = ("controlnet", "unet")


@dataclass(frozen=True)
class Examples:
    """Chosen images uint8 (n, H, W), their prompts (None = no text), and mask bit fields uint8 (n, H, W), 0 = none."""

    images: np.ndarray
    prompts: list[TextCell]
    bits: np.ndarray


def examples_of(chosen: Cohort, resolution: int) -> Examples:
    """Return every image of a (kept) pool at the generator's resolution; raises InputError when there is none."""
    if not len(chosen):
        raise InputError(f"{chosen.folders[0]}: nothing was kept of this pool; lower proxy.percentile or sample more")
    rows = np.arange(len(chosen))
    images = fit_images(chosen.images(rows), resolution)
    bits = chosen.masks(rows) if chosen.has_masks and chosen.structures else np.zeros_like(images)
    return Examples(images, list(chosen.index["report"]), bits)


def own_parts(settings: Section) -> list[str]:
    """Return which networks `trains` names; raises InputError for anything else."""
    wanted = list(settings["trains"])
    if not wanted or any(part not in TRAINABLE for part in wanted):
        raise InputError(f"settings: {settings.name}.trains = {wanted}: expected a list of {', '.join(TRAINABLE)}")
    return wanted


def start_branch(generator: ControlledGenerator, branch: HintBranch, placement: Placement) -> HintBranch:
    """Return the frozen ControlNet from which `difference` is taken: the generator's own start, else a copy of `branch`."""
    if generator.start is None:
        start = copy.deepcopy(branch)
    else:
        start = HintBranch(fast_layout(generator.start, placement))
    return start.requires_grad_(False).eval()


def finetune(
    generator: ControlledGenerator,
    examples: Examples,
    structures: list[str],
    settings: Section,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
) -> dict[str, torch.nn.Module]:
    """Return the networks that were trained further, by part; the loss is equation 1 with both conditions.

    A share `text_dropout` of the texts is left out, so that guidance keeps its other half. What an absent mask means is in
    absence.py.
    """
    wanted = own_parts(settings)
    if generator.controlnet is None:
        raise InputError("the generator to fine-tune has no ControlNet; give one made by train_controlnet")
    moments = encode_images(fast_layout(generator.vae, placement), examples.images)
    tokens = tokenize(examples.prompts, generator.tokenizer)
    palette = generator.notes.get("palette", "colour")
    paint = HintPainter(structures, palette, placement.device) if structures else None
    encoder = on_device(generator.text_encoder, placement).requires_grad_(False).eval()
    unet = fast_layout(generator.unet, placement).requires_grad_("unet" in wanted)
    branch = HintBranch(fast_layout(generator.controlnet, placement).requires_grad_("controlnet" in wanted))
    scheduler, scaling = generator.training_scheduler(), generator.vae.config.scaling_factor
    absence, side = tuned_absence(generator.notes, wanted), generator.resolution
    start = start_branch(generator, branch, placement) if absence == DIFFERENCE else None

    def loss(rows: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        latents = sample_latents(moments[rows], noise, scaling).to(placement.device)
        kept = torch.rand(len(rows), generator=noise) >= settings["text_dropout"]
        text = encode_text(tokens.rows(rows, keep=kept), encoder)
        hints = paint(examples.bits[rows], side) if paint else torch.zeros(len(rows), 3, side, side)
        hints = hints.to(placement.device, memory_format=torch.channels_last)
        embedded = branch.embed(hints)
        masked = torch.from_numpy(examples.bits[rows].any(axis=(1, 2)))
        present = None if absence == BLACK else masked.to(placement.device)
        before = None if start is None else (start, start.embed(hints))
        return denoising_loss(
            lambda noisy, steps: predict_noise(unet, noisy, steps, text, branch, embedded, present, before),
            latents,
            noise,
            scheduler,
        )

    trained = {"controlnet": branch, "unet": unet}
    # The name of the stage seeds its draws: another name is another generator.
    trainer = Trainer({part: trained[part] for part in wanted}, settings, seed, "finetune_proxy", placement)
    trainer.train(loss, len(examples.images), checkpoints)
    whole = {"controlnet": branch.whole().eval(), "unet": unet.eval()}
    return {part: whole[part] for part in wanted}
