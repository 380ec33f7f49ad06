"""The ControlNet: made from a frozen U-Net, fed with a hint that is embedded once, and joined to the U-Net's forward."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn

from scripts.lib.core.errors import InputError


def build_controlnet(unet: UNet2DConditionModel, hint_channels: Sequence[int], factor: int) -> ControlNetModel:
    """Return a ControlNet that starts as a copy of the U-Net's encoder; `hint_channels` of its hint embedding.

    The embedding halves the hint between its widths, so their number must bring it to the latents: factor = 2**(n - 1).
    """
    if 2 ** (len(hint_channels) - 1) != factor:
        raise InputError(
            f"settings: controlnet.hint_channels = {list(hint_channels)}: {len(hint_channels)} widths shrink a mask by "
            f"{2 ** (len(hint_channels) - 1)}, but the base's latents by {factor}; give log2({factor}) + 1 widths"
        )
    made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=tuple(hint_channels))
    heads = unet.config.addition_embed_type_num_heads
    if unet.config.addition_embed_type is None or heads == made.config.addition_embed_type_num_heads:
        return made
    # `from_unet` copies the weights of the pooled text, but not their number of heads.
    config = {key: value for key, value in made.config.items() if not key.startswith("_")}
    equal = ControlNetModel.from_config({**config, "addition_embed_type_num_heads": heads})
    equal.load_state_dict(made.state_dict())
    return equal


class HintBranch(nn.Module):
    """A ControlNet whose hint embedding is called apart: it does not depend on time, so once an image is enough.

    diffusers embeds the full-size hint at every step; the embedding is taken out of its forward and kept here.
    The weights stay shared with `controlnet` until `whole` puts the embedding back.
    """

    def __init__(self, controlnet: ControlNetModel) -> None:
        super().__init__()
        if controlnet.config.controlnet_conditioning_channel_order != "rgb":
            raise InputError("this ControlNet expects its hint as BGR; only RGB hints are supported")
        self.embedding = controlnet.controlnet_cond_embedding
        self.trunk = controlnet
        controlnet.controlnet_cond_embedding = nn.Identity()

    def embed(self, hints: torch.Tensor) -> torch.Tensor:
        """Return hints (n, 3, H, W) in [0, 1] embedded, (n, C, h, w)."""
        return self.embedding(hints)

    def forward(
        self, latents: torch.Tensor, steps: torch.Tensor, text: torch.Tensor, embedded: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return the residuals for the U-Net's skips and its middle block."""
        return self.trunk(latents, steps, encoder_hidden_states=text, controlnet_cond=embedded, return_dict=False)

    def whole(self) -> ControlNetModel:
        """Put the embedding back and return the ControlNet in diffusers' form; this branch is then spent."""
        self.trunk.controlnet_cond_embedding = self.embedding
        return self.trunk


def predict_noise(
    unet: UNet2DConditionModel,
    latents: torch.Tensor,
    steps: torch.Tensor,
    text: torch.Tensor,
    branch: HintBranch | None = None,
    embedded: torch.Tensor | None = None,
    present: torch.Tensor | None = None,
    start: tuple[HintBranch, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Return eps_theta(z_t, t, c_t, c_f), shape of `latents`; without `branch` there is no mask condition at all.

    `present` bool (n,): where False the residuals are multiplied by zero, the paper's zeroed mask condition. With `start`, the
    frozen ControlNet that a tuned one began as and its embedded hints, its residuals are taken off there instead, so that a
    tuned ControlNet is silent until its weights move.
    """
    if branch is None:
        return unet(latents, steps, encoder_hidden_states=text, return_dict=False)[0]
    down, middle = branch(latents, steps, text, embedded)
    if present is not None:
        shares = present.to(latents.dtype).view(-1, 1, 1, 1)
        if start is None:
            down, middle = [part * shares for part in down], middle * shares
        else:
            with torch.no_grad():
                before, below = start[0](latents, steps, text, start[1])
            down = [part - (1 - shares) * answer for part, answer in zip(down, before)]
            middle = middle - (1 - shares) * below
    return unet(
        latents,
        steps,
        encoder_hidden_states=text,
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
        return_dict=False,
    )[0]
