"""The trainings as people write them: diffusers' ControlNet example, and a loop over a DataLoader with torchvision's transforms.

Both compute in fp32 unless a person asks for more, as the example's `--mixed_precision` does: with bf16 its frozen networks
are cast and the trained one computes under autocast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import nn
from torch.utils.data import DataLoader, Dataset

from scripts.lib.cohort.store import Cohort
from scripts.lib.downstream.data import Films
from scripts.lib.downstream.losses import loss_of
from scripts.lib.downstream.models import Network
from scripts.lib.generators.controlled.control import build_controlnet
from scripts.lib.generators.controlled.generator import ControlledGenerator
from scripts.lib.generators.controlled.hints import HintPainter
from scripts.lib.study.processor import BF16
from scripts.lib.training.learning_rate import rate_at
from scripts.lib.training.settings import Section

Step = Callable[[], float]  # makes one step and returns its loss


def computing(precision: str) -> AbstractContextManager[Any]:
    """Return the context in which the trained network computes: fp32, or bf16 under autocast."""
    return torch.autocast("cpu", torch.bfloat16) if precision == BF16 else nullcontext()


def endless(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield batches, pass after pass."""
    while True:
        yield from loader


class MaskedFilms(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Films in [-1, 1], one channel, and painted masks in [0, 1], three channels, each read by itself as in diffusers' example."""

    def __init__(self, cohort: Cohort, rows: np.ndarray, paint: HintPainter) -> None:
        self.cohort, self.rows, self.paint = cohort, rows, paint

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.rows[place : place + 1]
        image = torch.from_numpy(self.cohort.images(rows)[0]).float().div(127.5).sub(1)
        return image[None], self.paint(self.cohort.masks(rows), self.cohort.resolution)[0]


def control_step(
    base: ControlledGenerator, cohort: Cohort, rows: np.ndarray, settings: Section, seed: int, precision: str
) -> Step:
    """Return a step as in diffusers' examples/controlnet/train_controlnet.py: films are encoded anew at every step."""
    torch.manual_seed(seed)
    frozen_type = torch.bfloat16 if precision == BF16 else torch.float32
    controlnet = build_controlnet(base.unet, settings["hint_channels"], base.factor).train()
    for frozen in (base.vae, base.unet, base.text_encoder):
        nn.Module.to(frozen.requires_grad_(False), frozen_type)
    optimizer = torch.optim.AdamW(
        controlnet.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    films = MaskedFilms(cohort, rows, HintPainter(cohort.structures, settings["palette"]))
    batches = endless(DataLoader(films, settings["batch_size"], shuffle=True, drop_last=True))
    scheduler, vae = DDPMScheduler.from_config(base.scheduler_config), base.vae
    width = (base.tokenizer.model_max_length, base.text_encoder.config.hidden_size)
    done = 0

    def step() -> float:
        nonlocal done
        pixels, hints = next(batches)
        latents = (
            vae.encode(pixels.to(frozen_type).expand(-1, vae.config.in_channels, -1, -1)).latent_dist.sample()
            * vae.config.scaling_factor
        )
        noise, times = (
            torch.randn_like(latents),
            torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),)),
        )
        noisy = scheduler.add_noise(latents, noise, times)
        text = torch.zeros(len(latents), *width, dtype=frozen_type)
        with computing(precision):
            down, middle = controlnet(
                noisy, times, encoder_hidden_states=text, controlnet_cond=hints.to(frozen_type), return_dict=False
            )
        guess = base.unet(
            noisy,
            times,
            text,
            down_block_additional_residuals=[one.to(frozen_type) for one in down],
            mid_block_additional_residual=middle.to(frozen_type),
        ).sample
        loss = nn.functional.mse_loss(guess.float(), noise.float())
        loss.backward()
        nn.utils.clip_grad_norm_(controlnet.parameters(), settings["clip"] or float("inf"))
        for group in optimizer.param_groups:
            group["lr"] = rate_at(done, settings["steps"], settings["learning_rate"], settings)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done += 1
        return float(loss.detach())

    return step


class ChangedFilms(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Films of a trial, each changed by torchvision's transforms on its own; a mask moves with its film."""

    def __init__(self, films: Films, augment: Mapping[str, float]) -> None:
        from torchvision.transforms import v2

        self.films = films
        shift = augment["shift"]
        self.moved = v2.RandomAffine(
            augment["rotation"], translate=(shift, shift), scale=(1 - augment["scale"], 1 + augment["scale"])
        )
        self.shaded = v2.ColorJitter(brightness=augment["brightness"], contrast=augment["contrast"])

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        from torchvision import tv_tensors

        places = np.array([place])
        image = tv_tensors.Image(torch.from_numpy(self.films.images(places)).float().div(255))
        target = torch.from_numpy(self.films.targets(places)[0])
        if self.films.labels is None:
            image, target = self.moved(image, tv_tensors.Mask(target))
        else:
            image = self.moved(image)
        return self.shaded(image).as_subclass(torch.Tensor), target.as_subclass(torch.Tensor).float()


def trial_step(
    model: Network, films: Films, settings: Mapping[str, Any], total: int, seed: int, precision: str
) -> Step:
    """Return a step of a plain loop: the same network, loss and schedule, and AdamW."""
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=settings["optimizer"]["weight_decay"])
    loader = DataLoader(ChangedFilms(films, settings["augment"]), settings["batch_size"], shuffle=True, drop_last=True)
    batches, done = endless(loader), 0

    def step() -> float:
        nonlocal done
        images, targets = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(done, total, settings["optimizer"]["learning_rate"], settings)
        with computing(precision):
            logits = model(images)
        loss = loss_of(model, logits.float(), targets, settings)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done += 1
        return float(loss.detach())

    return step
