"""What the solver loop sees of a class-conditional latent diffusion model: a number for each class, and the null class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.generators.conditional.classes import requested_class
from scripts.lib.generators.conditional.folder import fingerprint, open_model
from scripts.lib.generators.conditional.networks import encode, predict
from scripts.lib.generators.controlled.autoencoder import to_model
from scripts.lib.generators.protocol import Condition, ImageRequest
from scripts.lib.training.devices import place
from scripts.lib.training.settings import Section


class ClassModel:
    """The model of a folder as protocol.Model; `settings` is the section `sampling`. A condition is `class`, int (n,)."""

    def __init__(self, folder: Path, settings: Section) -> None:
        self.notes, autoencoder, unet = open_model(folder)
        self.placement = place(settings)
        wanted = settings["speed"]["channels_last"]
        last = not self.placement.on_gpu if wanted == "auto" else wanted
        layout = torch.channels_last if last else torch.contiguous_format
        # bf16 goes through autocast: MONAI's embedding of time is float32 whatever the weights are.
        self.autoencoder, self.unet = (
            network.to(self.placement.device, memory_format=layout) for network in (autoencoder, unet)
        )
        self.classes: list[str] = self.notes["classes"]

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return int(self.notes["resolution"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image's latents."""
        form = self.notes["autoencoder"]
        side = self.resolution // 2 ** (len(form["channels"]) - 1)
        return form["latent_channels"], side, side

    @property
    def scaling(self) -> float:
        """What the autoencoder's latents are multiplied by."""
        return float(self.notes["scaling"])

    @property
    def fingerprint(self) -> str:
        """Hash of weights and forms."""
        return fingerprint(self.notes)

    @property
    def lineage(self) -> str:
        """The fingerprint: this model was tuned from no other."""
        return self.fingerprint

    @property
    def schedule(self) -> Mapping[str, Any]:
        """The noise schedule of the training."""
        return self.notes["schedule"]

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.placement.device

    def warn_about(self, prompts: Sequence[str]) -> None:
        """Say nothing: conditions of classes have no text, and those that have one are refused."""

    def condition(self, requests: Sequence[ImageRequest]) -> Condition:
        """Return the number of each request's class; raises InputError for texts, masks, and classes that it does not know."""
        if any(request.labels is None for request in requests):
            raise InputError(
                "these conditions are texts or masks, but the generator follows classes alone; choose another"
            )
        numbers = [requested_class(request.labels or {}, self.classes) for request in requests]
        return {"class": torch.tensor(numbers, device=self.device)}

    def null(self, requests: Sequence[ImageRequest], condition: Condition) -> Condition:
        """Return the null class for all."""
        return {"class": torch.full_like(condition["class"], len(self.classes))}

    def predict(self, latents: torch.Tensor, step: torch.Tensor, condition: Condition) -> torch.Tensor:
        """Return the U-Net's answer, float32."""
        with self.placement.autocast():
            return predict(self.unet, latents, step, condition["class"])

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> torch.Tensor:
        """Return the scaled latents (n, C, h, w), float32, of films uint8 (n, H, W): the means of what the encoder says."""
        moments = encode(self.autoencoder, to_model(images).to(self.device))
        return moments.chunk(2, dim=1)[0].float() * self.scaling

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return images (n, 1, H, W) of clean latents, float32; the decoder computes in float32."""
        return self.autoencoder.decode(latents / self.scaling)
