"""The images of the sets, found in the pool and in the cohorts of the blind controls, as PNG data URLs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import origin_of
from scripts.lib.feedback.app.places import KIND_ASPECTS
from scripts.lib.feedback.log_values import IMAGES

# Colours that people with every kind of colour vision tell apart (Okabe and Ito, 2008), and a dash of their own each: lengths
# of line and gap in widths of the line.
OUTLINES: dict[str, tuple[str, tuple[int, ...]]] = {
    "lungs": ("#56b4e9", ()),
    "heart": ("#e69f00", (8, 3)),
    "pneumonia": ("#cc79a7", (2, 2)),
    "pneumothorax": ("#f0e442", (8, 3, 2, 3)),
    "rib_fracture": ("#009e73", (5, 2)),
    "chest_tube": ("#d55e00", (1, 3)),
    # No dataset has one of these beside the structure above of the same colour.
    "cardiomegaly": ("#d55e00", (4, 2)),
    "pleural_effusion": ("#009e73", (6, 2, 2, 2)),
    "consolidation": ("#cc79a7", (5, 3)),
    "atelectasis": ("#ffffff", (3, 2)),
}
OTHER_OUTLINE: tuple[str, tuple[int, ...]] = ("#ffffff", (12, 4))
KEPT = 64  # sets whose encoded pictures stay in memory


class Pictures:
    """What a rater may see of each set: prompt, four images, mask. Everything is found at the start or refused.

    `sets` is the table of sets; images of a set come from `pool` by (condition_id, sample), those of a control from
    `cohorts` by its columns `dataset` and `films`, resized to the pool's side so that their size tells nothing.
    `sets` as an attribute is {set_id: (kind, number of images)}, `origin` what the page says of phantom films, else "".
    """

    def __init__(self, sets: pd.DataFrame, pool: Cohort, cohorts: Sequence[Cohort], source: str) -> None:
        self.pool, self.origin = pool, origin_of(sets)
        if sets["set_id"].duplicated().any():
            raise InputError(f"{source}: set {sets['set_id'][sets['set_id'].duplicated()].iloc[0]!r} is there twice")
        prompts = zip(sets["set_id"], sets["prompt"])
        self._prompts = {set_id: None if pd.isna(prompt) else str(prompt) for set_id, prompt in prompts}
        generated = _generated_rows(pool)
        films = {
            str(cohort.meta.get("dataset")): (cohort, dict(zip(cohort.index["image_id"], range(len(cohort)))))
            for cohort in cohorts
        }
        self.sets: dict[str, tuple[str, int]] = {}
        self._rows: dict[str, list[tuple[Cohort, int]]] = {}
        for line in sets.to_dict("records"):
            try:
                rows = _film_rows(line, films) if line["kind"] == "control" else generated[line["condition_id"]]
            except KeyError as error:
                where = "pool with samples 0, 1, 2... once each; give its shards, no others"
                if line["kind"] == "control":
                    where = "cohorts given with --cohort"
                raise InputError(f"{source}: set {line['set_id']!r}: {error} is not in the {where}") from None
            if not 2 <= len(rows) <= IMAGES:
                raise InputError(f"{source}: set {line['set_id']!r} has {len(rows)} images, expected 2 to {IMAGES}")
            self._rows[line["set_id"]], self.sets[line["set_id"]] = rows, (line["kind"], len(rows))
        self.view = lru_cache(KEPT)(self._view)

    def _view(self, set_id: str) -> dict[str, Any]:
        """Return {prompt, images: data URLs by sample number, mask} of a set; `mask` is None without one.

        `mask` holds the bit field as a picture and [name, bit, css colour, dash] of each structure that is in it.
        """
        kind = self.sets[set_id][0]
        mask = self._mask(set_id) if "mask" in KIND_ASPECTS[kind] else None
        images = [data_url(self._image(cohort, row)) for cohort, row in self._rows[set_id]]
        return {"prompt": None if kind == "mask" else self._prompts[set_id], "images": images, "mask": mask}

    def _image(self, cohort: Cohort, row: int) -> np.ndarray:
        image, side = cohort.images([row])[0], self.pool.resolution
        if image.shape == (side, side):
            return image
        return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC, reducing_gap=None))

    def _mask(self, set_id: str) -> dict[str, Any]:
        field = self.pool.masks([self._rows[set_id][0][1]])[0]
        bits = {name: self.pool.bit(name) for name in self.pool.structures}
        return {"picture": data_url(field), "structures": structures_of(bits, field)}


def structures_of(bits: Mapping[str, int], field: np.ndarray) -> list[list[Any]]:
    """Return [name, bit, css colour, dash] of each structure that is in a bit field, uint8 (H, W)."""
    found = []
    for name, bit in bits.items():
        if (field & bit).any():
            colour, dash = OUTLINES.get(name, OTHER_OUTLINE)
            found.append([name, bit, colour, list(dash)])
    return found


def data_url(pixels: np.ndarray) -> str:
    """Return uint8 (H, W) as the data URL of a PNG that holds pixels and nothing else."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _generated_rows(pool: Cohort) -> dict[str, list[tuple[Cohort, int]]]:
    """Return where the samples 0, 1, 2... of each condition lie; a condition that lacks one is left out."""
    index = pool.index.reset_index(drop=True)
    found: dict[str, list[tuple[Cohort, int]]] = {}
    for condition, own in index.sort_values("sample", kind="stable").groupby("condition_id"):
        if own["sample"].tolist() == list(range(len(own))):
            found[str(condition)] = [(pool, row) for row in own.index]
    return found


def _film_rows(
    line: Mapping[Hashable, Any], films: Mapping[str, tuple[Cohort, Mapping[str, int]]]
) -> list[tuple[Cohort, int]]:
    cohort, rows = films[line["dataset"]]
    return [(cohort, rows[name]) for name in json.loads(line["films"])]
