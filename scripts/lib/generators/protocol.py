"""What the solver loop asks of a generator, whatever its kind, and what it is asked to make.

A new kind is a class with the members of `Model` and an entry in kinds.py. The loop (solving.py), the shards and the
commands know nothing else of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

KINDS = ("text", "mask", "both", "class")
Condition = Mapping[str, torch.Tensor]  # tensors whose first axis numbers the images; the names are the generator's own


@dataclass(frozen=True)
class ImageRequest:
    """One image to make: its condition and the number of its repeat.

    `bits` uint8 (h, w) or None for no mask; `labels` {name: 1, 0 or None for unknown} where the class is the condition.
    """

    condition_id: str
    sample: int
    prompt: str | None
    bits: np.ndarray | None
    labels: Mapping[str, int | None] | None = None

    @property
    def name(self) -> str:
        """The image's identifier."""
        return f"{self.condition_id}-{self.sample}"

    @property
    def kind(self) -> str:
        """One of KINDS; images of one kind are made together. A request without anything counts as text."""
        if self.labels is not None:
            return "class"
        if self.bits is None:
            return "text"
        return "mask" if self.prompt is None else "both"


class Model(Protocol):
    """A generator opened to make images: a diffusion model in the space of its latents, on its device.

    All methods see whole micro-batches: n is the same in every call of one loop, twice as much where guidance is on.
    """

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image's latents."""

    @property
    def scaling(self) -> float:
        """What the decoder's latents are multiplied by, so that the solver sees a variance of about 1."""

    @property
    def fingerprint(self) -> str:
        """Hash of weights and configurations."""

    @property
    def lineage(self) -> str:
        """What seeds the noise: the fingerprint, or that of the generator which a tuned one started from."""

    @property
    def schedule(self) -> Mapping[str, Any]:
        """The noise schedule of the training and what `predict` returns, every key stated (solvers.noise_schedule)."""

    @property
    def device(self) -> torch.device:
        """Where the latents live."""

    def warn_about(self, prompts: Sequence[str]) -> None:
        """Say, once before anything is made, what of these texts the generator cannot take in."""

    def condition(self, requests: Sequence[ImageRequest]) -> Condition:
        """Return what the networks see of requests of one kind; raises InputError for what the generator cannot do."""

    def null(self, requests: Sequence[ImageRequest], condition: Condition) -> Condition | None:
        """Return what guidance leads away from, with the same names and shapes; None where there is nothing of it.

        `condition` is that of the same requests, as a part of it may stay: a mask does where the text is taken away.
        """

    def predict(self, latents: torch.Tensor, step: torch.Tensor, condition: Condition) -> torch.Tensor:
        """Return the network's answer, float32, to noisy latents float32 (n, C, h, w) at one step of the schedule."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return images (n, channels, H, W), about [-1, 1], of clean latents float32 (n, C, h, w).

        An image must not depend on its neighbours. What cannot be made finite is returned as it is: the loop refuses it.
        """
