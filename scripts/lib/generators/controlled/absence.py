"""What an absent mask means to a generator, before and after it was tuned.

A tuned generator must make the same image from text alone as the generator that it started from, until its weights move.
Otherwise a comparison of the two would also compare two meanings of an absent mask, and the reference of Diffusion-DPO would
not be what made the rated images. So tuning keeps the meaning of its start:

    zero_residual  the ControlNet is silent (the paper's zeroed vector). Being silent it could learn nothing from images
                   without a mask, so a tuned one adds its answer to a black picture, less that of its start: `difference`
    black_image    a black picture goes through the ControlNet (the first author's code), before tuning and after
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SILENT, BLACK, DIFFERENCE = "zero_residual", "black_image", "difference"
START = "start"  # folder of the ControlNet that a tuned one began as, beside it


def absence_of(notes: Mapping[str, Any]) -> str:
    """Return what an absent mask means to the generator with these notes."""
    return notes.get("absent_mask", SILENT)


def tuned_absence(notes: Mapping[str, Any], trained: Sequence[str]) -> str:
    """Return what it means once the networks `trained` (controlnet, unet) of that generator are tuned."""
    given = absence_of(notes)
    return DIFFERENCE if given == SILENT and "controlnet" in trained else given
