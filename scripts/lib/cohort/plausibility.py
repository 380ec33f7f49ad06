"""What a person would see at once of a mask laid over its film: nothing left out, inside out, upside down, turned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
FULL = "masks that cover the whole film"
INSIDE_OUT = "masks that cover the border and most of the film, probably black and white swapped"
TURNED = "lung masks that lie on darker parts of their film when turned, probably rows and columns swapped"
PLACEMENTS: dict[str, Callable[[Mask], Mask]] = {
    "mirrored": lambda mask: mask[:, ::-1],
    "upside down": lambda mask: mask[::-1],
    "turned by 180 degrees": lambda mask: mask[::-1, ::-1],
    "transposed": lambda mask: mask.T,
    "turned to the right": lambda mask: mask[::-1].T,
    "turned to the left": lambda mask: mask.T[::-1],
    "transposed and turned by 180 degrees": lambda mask: mask[::-1, ::-1].T,
}
MISPLACED = {name: f"lung masks that lie on darker parts of their film when {name}" for name in PLACEMENTS}
# In 185 films with lungs outlined by hand no placement was better by more than 11.6 grey levels than the true one; of
# the same masks transposed, 95 % were worse by more than 19.
GAIN = 12.0
BODY = 15  # darker than this is the border, not the body


def mask_notes(masks: Mapping[str, Mask], notes: Counter[str]) -> None:
    """Count in `notes` masks bool (H, W) that cover all of a film, or its border and most of it."""
    for mask in masks.values():
        share = float(mask.mean())
        border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        if share > 0.98:
            notes[FULL] += 1
        elif share > 0.5 and border.mean() > 0.9:
            notes[INSIDE_OUT] += 1


def lung_placement(image: NDArray[np.uint8], lungs: Mask) -> tuple[str, float]:
    """Return which placement puts the lungs of a square film onto its darkest parts, and by how many grey levels more.

    `image` uint8 and `lungs` bool (R, R). Lung fields are darker than the rest of the chest, so that the true placement
    wins, in nearly every film: ("", 0.0).
    """
    body = image > BODY
    contrast = _contrast(image, lungs, body)
    gains = {name: _contrast(image, place(lungs), body) - contrast for name, place in PLACEMENTS.items()}
    best = max(gains, key=lambda name: gains[name])
    return (best, gains[best]) if gains[best] > 0 else ("", 0.0)


def placement_note(votes: Counter[str]) -> tuple[str, int] | None:
    """Return the note for a dataset in most of whose films one other placement of the lungs is better, and their count."""
    if not votes or not (name := max(sorted(votes), key=lambda name: votes[name])) or votes[name] * 2 <= votes.total():
        return None
    return MISPLACED[name], votes[name]


def _contrast(image: NDArray[np.uint8], mask: Mask, body: Mask) -> float:
    """Return how many grey levels the body is darker inside a mask than outside of it."""
    inside, outside = image[mask & body], image[~mask & body]
    if not len(inside) or not len(outside):
        return 0.0
    return float(outside.mean() - inside.mean())
