"""DeepCache (Ma et al. 2023, arXiv 2312.00858) on a U-Net of two levels: what lies below the first is kept between steps."""

from __future__ import annotations

import math
from typing import Any

from torch import nn


class Kept(nn.Module):
    """A block whose answer is computed when `due` and otherwise repeated, once for each number of images."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block, self.due, self.answers = block, True, dict[int, Any]()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("block"), name)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        count = len(inputs[0] if inputs else named["hidden_states"])
        if self.due or count not in self.answers:
            self.answers[count] = self.block(*inputs, **named)
        return self.answers[count]


def cache_deep(model: Any, every: int) -> None:
    """Let a ControlledModel compute its ControlNet and the U-Net's deep blocks at every `every`-th step only."""
    unet = model.generator.unet
    kept = [Kept(unet.down_blocks[-1]), Kept(unet.mid_block), Kept(unet.up_blocks[0])]
    unet.down_blocks[-1], unet.mid_block, unet.up_blocks[0] = kept
    if model.branch is not None:
        model.branch = Kept(model.branch)
        model.branch.embed = model.branch.block.embed
        kept.append(model.branch)
    predict, seen = model.predict, dict[str, float](step=-math.inf, calls=0)

    def counted(latents: Any, step: Any, condition: Any) -> Any:
        first = float(step) > seen["step"]  # a new micro-batch begins at the highest noise
        seen.update(step=float(step), calls=0 if first else seen["calls"] + 1)
        for block in kept:
            block.due = seen["calls"] % every == 0
        return predict(latents, step, condition)

    model.predict = counted
