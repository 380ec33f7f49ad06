"""From a sentence to a mask, an image made from it, and the boxes of what it shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scripts.lib.cohort.boxes import part_boxes
from scripts.lib.conditions.mask_picture import conditioning_image
from scripts.lib.conditions.mask_prompts import Ask, ask_of, ask_text, findings_of
from scripts.lib.conditions.mask_shape import faults_of
from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import told_origin
from scripts.lib.core.seeds import content_hash
from scripts.lib.generators.kinds import open_kind
from scripts.lib.generators.masks.network import open_masks
from scripts.lib.generators.masks.sampling import MadeMask, MaskRequest, MaskSampler
from scripts.lib.generators.protocol import ImageRequest
from scripts.lib.generators.solving import Sampler
from scripts.lib.training.settings import Section

FILES = ("film.json", "image.png", "mask.png", "mask_bits.png")


class FilmDrawer:
    """The models of one study, opened once: masks of asks, and images of masks.

    masks      folder of the mask generator
    generator  folder of the generator that makes images from masks
    drawing    section `masks.sampling`; sampling: section `sampling`
    words      whether the generator is told in words, too, what a mask shows

    A mask depends on the seed, the ask and its number alone, an image on the seed, the mask and its number: each is made by itself.
    Raises InputError where the two models do not go together.
    """

    def __init__(
        self,
        masks: Path,
        generator: Path,
        drawing: Mapping[str, Any],
        sampling: Mapping[str, Any],
        seed: int,
        words: bool = False,
    ) -> None:
        alone = {"micro_batch": 1}
        self.made = open_masks(masks)
        self.structures = list(self.made.code.structures)
        self.model = open_kind(generator)(self.structures, Section({**sampling, **alone}, "sampling"))
        if self.model.resolution != self.resolution:
            raise InputError(
                f"{generator}: makes images of {self.model.resolution} pixels, but {masks} makes masks of {self.resolution}"
            )
        self._masks = MaskSampler(self.made, Section({**drawing, **alone}, "masks.sampling"), seed)
        self._images = Sampler(self.model, Section({**sampling, **alone}, "sampling"), seed)
        self.seed, self.words = seed, words

    @property
    def resolution(self) -> int:
        """Side of masks and images in pixels."""
        return self.made.code.resolution

    def mask(self, ask: Ask, sample: int) -> MadeMask:
        """Return the mask of an ask; `sample` counts the masks of one ask from 0."""
        return self._masks.masks([MaskRequest(content_hash("mask", ask_text(ask)), sample, ask)])[0]

    def image(self, field: np.ndarray, sample: int, condition: str = "") -> np.ndarray:
        """Return the image, uint8 (R, R), made from a mask, uint8 (R, R); `sample` counts the images of one mask.

        condition  the identity whose noise it begins with, that of the mask where none is given. With the identity of a mask
                   before it was changed, only what the change touches is another image.
        """
        text = ask_text(ask_of(field, self.structures)) if self.words else None
        request = ImageRequest(condition or identity_of(field), sample, text, field)
        return self._images.images([request])[0]

    def told(self, ask: Ask, mask: MadeMask) -> dict[str, Any]:
        """Return what was asked for, what a mask shows, what of it cannot be, and its boxes."""
        return summary(ask, mask, self.structures, self.made.notes["least"])

    def made_by(self) -> dict[str, Any]:
        """Return the fingerprints of both models, the seed, and the word for phantom films."""
        made = {"masks": self.made.fingerprint, "generator": self.model.fingerprint, "seed": self.seed}
        return made | told_origin()

    def edited(self, field: np.ndarray) -> MadeMask:
        """Return a mask that a person changed, with what of it cannot be."""
        return MadeMask(field, 0, tuple(faults_of(field, self.structures, self.made.notes["limits"])))


def identity_of(field: np.ndarray) -> str:
    """Return the identity of a mask, uint8 (H, W), as a condition of images."""
    return content_hash(field.tobytes().hex())


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
        "missed": list(mask.missed),
        "boxes": boxes_of(mask.field, structures),
    }


def write_film(
    folder: Path, image: np.ndarray, field: np.ndarray, structures: list[str], told: Mapping[str, Any]
) -> None:
    """Write FILES into a folder: what is told, the image, the mask as a ControlNet sees it, and its bits (bit c = structure c)."""
    Image.fromarray(image).save(folder / "image.png")
    Image.fromarray(conditioning_image(field, structures)).save(folder / "mask.png")
    Image.fromarray(field).save(folder / "mask_bits.png")
    text = json.dumps({**told, "structures": structures}, indent=1)
    (folder / "film.json").write_text(text + "\n", encoding="utf-8")


def check_free(folder: Path) -> None:
    """Raise InputError where a film may not be written: a folder with files that are none of a film's would be replaced."""
    if not folder.exists():
        return
    others = [path.name for path in folder.iterdir() if path.name not in FILES] if folder.is_dir() else [folder.name]
    if others:
        raise InputError(f"--out {folder}: holds {sorted(others)[0]}, which is no file of a film; name a new folder")
