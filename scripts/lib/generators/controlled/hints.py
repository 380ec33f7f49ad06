"""How a mask reaches the ControlNet, in training and in sampling alike.

Apart from encoding.py, so that an edit of the mask code does not train the foundation model anew, which sees no masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from scripts.lib.conditions.mask_picture import conditioning_image


class HintPainter:
    """Turn mask bit fields into the RGB pictures that the ControlNet sees, float32 (n, 3, H, W) in [0, 1].

    They are painted on `device`: a film of 512 pixels costs a processor 9 ms, as long as a GPU trains on it, and a byte a
    pixel goes to the GPU in place of twelve.
    """

    def __init__(
        self,
        structures: Sequence[str],
        palette: str | Mapping[str, Sequence[int]],
        device: torch.device | str = "cpu",
    ) -> None:
        table = conditioning_image(np.arange(256, dtype=np.uint8), structures, palette)
        self._table = torch.from_numpy(table.astype(np.float32) / 255.0).to(device)

    def __call__(self, bits: np.ndarray, resolution: int) -> torch.Tensor:
        """Paint bit fields uint8 (n, h, w) at `resolution` (nearest pixel when it differs from theirs).

        The pictures lie in memory pixel by pixel, which torch calls channels last.
        """
        shown = torch.tensor(bits, device=self._table.device)
        if shown.shape[-1] != resolution:
            size = (resolution, resolution)
            shown = torch.nn.functional.interpolate(shown[:, None], size=size, mode="nearest")[:, 0]
        return torch.nn.functional.embedding(shown.int(), self._table).permute(0, 3, 1, 2)


def drop_structures(bits: np.ndarray, count: int, share: float, stream: np.random.Generator) -> np.ndarray:
    """Return bit fields (n, H, W) of which a `share` keep only some of their `count` structures.

    Half of these keep a random non-empty subset, half one structure that they show: datasets annotate different
    structures, so a ControlNet must follow a pneumothorax without its lungs.
    """
    chosen = stream.random(len(bits)) < share
    subsets = stream.integers(1, 1 << count, size=len(bits))
    alone, draw = stream.random(len(bits)) < 0.5, stream.random(len(bits))
    shown = np.bitwise_or.reduce(bits.reshape(len(bits), -1), axis=1)
    for row in np.flatnonzero(alone & (shown > 0)):
        present = [bit for bit in range(count) if shown[row] >> bit & 1]
        subsets[row] = 1 << present[int(draw[row] * len(present))]
    keep = np.where(chosen, subsets, (1 << count) - 1).astype(np.uint8)
    return bits & keep[:, None, None]
