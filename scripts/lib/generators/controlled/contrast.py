"""Teach the text encoder what its words look like, before the U-Net has to use them.

Stable Diffusion's text encoder comes from CLIP, which was trained to match texts and images. A text encoder with random
weights tells the U-Net nothing: after 375 steps on the phantom, giving it the texts of other films raised its loss by
0.1 %, with this stage before by 14 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel

from scripts.lib.generators.controlled.autoencoder import sample_latents
from scripts.lib.generators.controlled.encoding import Tokens, encode_text

WIDTH = 64
FIRST_SCALE, LARGEST_SCALE = 10.0, 50.0


class Matcher(nn.Module):
    """Bring latents (n, C, h, w) and text states (n, L, D) into one space of unit vectors, (n, WIDTH) each.

    A text is the mean over all its positions: so every position learns to carry the meaning, and the U-Net's cross
    attention finds it wherever it looks first.
    """

    def __init__(self, latent_channels: int, latent_side: int, text_width: int) -> None:
        super().__init__()
        self.image = nn.Sequential(
            *_block(latent_channels, 1),
            *_block(WIDTH, 1),
            *_block(WIDTH, 2),
            nn.Flatten(),
            nn.Linear(WIDTH * math.ceil(latent_side / 2) ** 2, WIDTH),
        )
        self.text = nn.Linear(text_width, WIDTH, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    def forward(self, latents: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Return the scaled cosines of every image with every text, (n, n)."""
        images = functional.normalize(self.image(latents), dim=1)
        texts = functional.normalize(self.text(states.mean(1)), dim=1)
        return images @ texts.T * self.log_scale.exp().clamp(max=LARGEST_SCALE)


def _block(channels: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, WIDTH, 3, stride=stride, padding=1), nn.GroupNorm(8, WIDTH), nn.SiLU()]


def text_numbers(texts: Sequence[str | None]) -> torch.Tensor:
    """Return a number for each text, equal for equal texts, int64 (N,)."""
    return torch.from_numpy(np.unique([text or "" for text in texts], return_inverse=True)[1])


def matching_loss(cosines: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Return CLIP's symmetric cross entropy of scaled cosines (n, n), a scalar.

    Films with the same text match each other's text as well: all of them share the target evenly.
    """
    same = (numbers[:, None] == numbers[None]).to(cosines.dtype)
    wanted = same / same.sum(1, keepdim=True)
    forth = -(wanted * cosines.log_softmax(1)).sum(1).mean()
    back = -(wanted * cosines.T.log_softmax(1)).sum(1).mean()
    return 0.5 * (forth + back)


def contrast(
    matcher: Matcher,
    encoder: CLIPTextModel,
    moments: torch.Tensor,
    tokens: Tokens,
    numbers: torch.Tensor,
    noise: torch.Generator,
    scaling: float,
) -> torch.Tensor:
    """Return the loss of a batch: moments (n, 2 * C, h, w), and the tokens and text numbers of the same films."""
    device = next(matcher.parameters()).device
    latents = sample_latents(moments, noise, scaling).to(device)
    return matching_loss(matcher(latents, encode_text(tokens, encoder)), numbers.to(device))
