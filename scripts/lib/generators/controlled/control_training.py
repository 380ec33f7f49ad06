"""Train a ControlNet on masks, with the foundation model frozen.

Text is absent (the paper's first training), or says what each mask shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.log import log
from scripts.lib.generators.controlled.absence import DIFFERENCE, START, absence_of
from scripts.lib.generators.controlled.autoencoder import encode_images, sample_latents
from scripts.lib.generators.controlled.control import HintBranch, build_controlnet, predict_noise
from scripts.lib.generators.controlled.denoising import denoising_loss
from scripts.lib.generators.controlled.encoding import encode_text, tokenize
from scripts.lib.generators.controlled.foundation import fast_layout, on_device, seeded
from scripts.lib.generators.controlled.generator import ControlledGenerator
from scripts.lib.generators.controlled.hints import HintPainter, drop_structures
from scripts.lib.generators.controlled.layout import (
    BASE_PARTS,
    CLASSES,
    describe_files,
    link_parts,
    read_model_index,
    write_model_index,
    write_notes,
)
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.loop import Trainer
from scripts.lib.training.resolution import fit_images
from scripts.lib.training.settings import Section


def train_control(
    base: ControlledGenerator,
    cohort: Cohort,
    rows: np.ndarray,
    settings: Section,
    seed: int,
    placement: Placement,
    checkpoints: Checkpoints,
    words: Sequence[str] | None = None,
) -> ControlNetModel:
    """Return a ControlNet trained on the masks of these rows; `settings` is the section `controlnet`.

    words  what the mask of each row shows, in the words of its images; a share `text_dropout` of them is left out. None: no text

    The loss is equation 1 with c_t = 0 where there are no words. Films are never mirrored: left and right have a meaning.
    """
    resolution = base.resolution
    moments = encode_images(fast_layout(base.vae, placement), fit_images(cohort.images(rows), resolution))
    bits = cohort.masks(rows)
    paint = HintPainter(cohort.structures, settings["palette"], placement.device)
    for frozen in (base.vae, base.unet, base.text_encoder):
        frozen.requires_grad_(False)
    unet = fast_layout(base.unet, placement)
    seeded(seed, "train_controlnet")
    controlnet = build_controlnet(unet, settings["hint_channels"], base.factor)
    branch = HintBranch(fast_layout(controlnet, placement).train())
    scheduler, scaling = base.training_scheduler(), base.vae.config.scaling_factor
    text_of = _texts(base, words, settings, placement)
    black = settings.one_of("absent_mask", "zero_residual", "black_image") == "black_image"

    def loss(chosen: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        latents = sample_latents(moments[chosen], noise, scaling).to(placement.device)
        shown, present = _shown(bits[chosen], len(cohort.structures), settings, noise)
        embedded = branch.embed(paint(shown, resolution))
        kept = None if black else present.to(placement.device)
        text = text_of(chosen, noise)
        return denoising_loss(
            lambda noisy, steps: predict_noise(unet, noisy, steps, text, branch, embedded, kept),
            latents,
            noise,
            scheduler,
        )

    Trainer({"branch": branch}, settings, seed, "train_controlnet", placement).train(loss, len(rows), checkpoints)
    return branch.whole().eval()


def _shown(
    bits: np.ndarray, structures: int, settings: Section, noise: torch.Generator
) -> tuple[np.ndarray, torch.Tensor]:
    """Return mask fields with shares of their structures and of whole masks left out, and which masks are there, bool (n,)."""
    stream = np.random.default_rng(noise.initial_seed())
    shown = drop_structures(bits, structures, settings["structure_dropout"], stream)
    present = torch.rand(len(bits), generator=noise) >= settings["mask_dropout"]
    return np.where(present.numpy()[:, None, None], shown, 0).astype(np.uint8), present


def _texts(
    base: ControlledGenerator, words: Sequence[str] | None, settings: Section, placement: Placement
) -> Callable[[np.ndarray, torch.Generator], torch.Tensor]:
    """Return a function of rows and noise that gives their texts as the U-Net reads them, a share of them left out."""
    if words is None:
        tokens, width = base.tokenizer.model_max_length, base.text_encoder.config.hidden_size
        no_text = torch.zeros(settings["batch_size"], tokens, width, device=placement.device)
        return lambda chosen, noise: no_text
    texts, encoder = tokenize(words, base.tokenizer), on_device(base.text_encoder, placement).eval()

    def text_of(chosen: np.ndarray, noise: torch.Generator) -> torch.Tensor:
        kept = torch.rand(len(chosen), generator=noise) >= settings["text_dropout"]
        return encode_text(texts.rows(chosen, keep=kept), encoder)

    return text_of


def write_generator(
    folder: Path,
    target: Path,
    base_folder: Path,
    base: ControlledGenerator,
    networks: Mapping[str, torch.nn.Module],
    **notes: Any,
) -> None:
    """Write a generator that will be published as `target`: its own `networks`, and links to the rest of its base.

    `notes` are kind, structures, palette, absent_mask and lineage, which the sampler reads. Where an absent mask means a
    difference, the ControlNet that it is taken from is linked as well.
    """
    for part, network in networks.items():
        plain: Any = network.to("cpu").to(memory_format=torch.contiguous_format)  # of diffusers, which writes it
        plain.save_pretrained(folder / part, safe_serialization=True)
    given = read_model_index(base_folder)
    linked = [part for part in (*BASE_PARTS, "controlnet") if part not in networks and part in given]
    link_parts(folder, target, base_folder, linked)
    start = {}
    if absence_of(notes) == DIFFERENCE:
        start = {START: START if absence_of(base.notes) == DIFFERENCE else "controlnet"}
        link_parts(folder, target, base_folder, start)
    classes = {part: given[part] for part in linked} | {part: CLASSES[part] for part in networks}
    write_model_index(folder, "StableDiffusionControlNetPipeline", classes)
    names = {part: part for part in linked} | {source: name for name, source in start.items()}
    kept = {
        f"{names[part]}/{rest}": known
        for (part, _, rest), known in ((path.partition("/"), known) for path, known in base.notes["files"].items())
        if part in names
    }
    fingerprint = write_notes(
        folder,
        {**kept, **describe_files(folder, list(networks))},
        resolution=base.resolution,
        base={"folder": str(base_folder), "fingerprint": base.fingerprint},
        **notes,
    )
    log(f"generator {fingerprint} on {base.fingerprint}: own {', '.join(networks)}")
