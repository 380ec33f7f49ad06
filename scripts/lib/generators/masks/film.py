"""From a sentence to a mask, an image made from it, and the boxes of what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.cohort.boxes import part_boxes
from scripts.lib.conditions.mask_prompts import Ask, ask_of, ask_text, findings_of
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.generators.kinds import open_kind
from scripts.lib.generators.masks.network import MaskGenerator
from scripts.lib.generators.masks.sampling import MadeMask, MaskRequest, MaskSampler
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.settings import Section


def draw_mask(made: MaskGenerator, ask: Ask, settings: Section, seed: int, sample: int) -> MadeMask:
    """Return the mask of an ask; `sample` counts the masks of one sentence."""
    request = MaskRequest(content_hash("mask", ask_text(ask)), sample, ask)
    return MaskSampler(made, settings, seed).masks([request])[0]


def draw_image(
    generator: Path, field: np.ndarray, structures: list[str], settings: Section, seed: int, sample: int
) -> np.ndarray:
    """Return the image, uint8 (R, R), that a generator makes from a mask alone; raises InputError for one of another size."""
    model = open_kind(generator)(structures, settings)
    if model.resolution != field.shape[0]:
        raise InputError(f"{generator}: makes images of {model.resolution} pixels, but the mask has {field.shape[0]}")
    request = ImageRequest(content_hash(field.tobytes().hex()), sample, None, field)
    return Sampler(model, settings, seed).images([request])[0]


def boxes_of(field: np.ndarray, structures: list[str]) -> list[dict[str, Any]]:
    """Return {structure, box} of each connected part of a finding, the box [x0, y0, x1, y1] in pixels, right and lower end out."""
    found: list[dict[str, Any]] = []
    for name in findings_of(structures):
        for box in part_boxes((field >> np.uint8(structures.index(name))) & 1):
            found.append({"structure": name, "box": box.astype(int).tolist()})
    return found


def summary(ask: Ask, mask: MadeMask, structures: list[str], least: Mapping[str, float]) -> dict[str, Any]:
    """Return what was asked for, what the mask shows, what of it cannot be, and its boxes."""
    shown = ask_of(mask.field, structures, least)
    return {
        "asked": dict(ask),
        "shown": shown,
        "shown_words": ask_text(shown),
        "as_asked": shown == dict(ask),
        "tries": mask.tries,
        "faults": list(mask.faults),
        "boxes": boxes_of(mask.field, structures),
    }
