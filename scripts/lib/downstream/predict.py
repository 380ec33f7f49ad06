"""Where a model computes, how films get there, and what it says about films it is tested on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.data import Films
from scripts.lib.downstream.losses import loss_of
from scripts.lib.study.processor import by_hand

TEST_BATCH = 64


@dataclass(frozen=True)
class Device:
    """The processor of a trial, and whether it computes in bfloat16."""

    name: torch.device
    bf16: bool

    @property
    def is_gpu(self) -> bool:
        return self.name.type == "cuda"

    def autocast(self) -> AbstractContextManager:
        return torch.autocast(self.name.type, torch.bfloat16, enabled=self.bf16)


def choose_device(wanted: str, precision: str) -> Device:
    """Return the device: `auto` is the GPU where there is one; raises InputError for a GPU that is not there.

    `precision` is fp32, bf16 or auto, which is bf16 on a GPU alone.
    """
    found = torch.cuda.is_available()
    name = torch.device(("cuda" if found else "cpu") if wanted == "auto" else wanted)
    if name.type == "cuda" and not found:
        raise InputError(f"trials: device = {wanted!r}, but torch finds no GPU here; set it to auto or cpu")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return Device(name, by_hand(precision, name.type == "cuda") == "bf16")


def to_images(images: np.ndarray, device: Device) -> Tensor:
    """Return uint8 images (B, H, W) as float (B, 1, H, W) in [0, 1] on the device."""
    return _send(images, device).unsqueeze(1).float().div_(255)


def to_targets(targets: np.ndarray, device: Device) -> Tensor:
    """Return labels (B, L) or masks (B, H, W) as float (B, L) or (B, 1, H, W) on the device."""
    sent = _send(targets, device).float()
    return sent.unsqueeze(1) if sent.ndim == 3 else sent


def _send(array: np.ndarray, device: Device) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device.name, non_blocking=True) if device.is_gpu else tensor


def _outputs(model: nn.Module, films: Films, device: Device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits and targets of all films, batch by batch, unchanged by augmentation."""
    model.eval()
    with torch.inference_mode(), device.autocast():
        for first in range(0, len(films), TEST_BATCH):
            places = np.arange(first, min(first + TEST_BATCH, len(films)))
            logits = model(to_images(films.images(places), device))
            yield logits.float(), to_targets(films.targets(places), device)


def mean_loss(model: nn.Module, films: Films, settings: Mapping[str, Any], device: Device) -> float:
    """Return the loss averaged over films."""
    total = sum(float(loss_of(logits, y, settings)) * len(y) for logits, y in _outputs(model, films, device))
    return total / len(films)


def label_probabilities(model: nn.Module, films: Films, device: Device) -> np.ndarray:
    """Return probabilities float64 (n, L)."""
    logits = torch.cat([logits for logits, _ in _outputs(model, films, device)])
    return torch.sigmoid(logits.double()).cpu().numpy()


def mask_counts(model: nn.Module, films: Films, device: Device) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pixel counts float64 (n,) of overlap, predicted and true mask; a pixel is predicted above 0.5."""
    counts = []
    for logits, truth in _outputs(model, films, device):
        predicted, true = logits > 0, truth > 0.5
        counts.append(torch.stack([part.flatten(1).sum(1) for part in (predicted & true, predicted, true)]))
    overlap, predicted, true = torch.cat(counts, dim=1).double().cpu().numpy()
    return overlap, predicted, true
