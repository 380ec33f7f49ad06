"""Real films through the autoencoder of the foundation model: what the decoder alone costs, without any diffusion.

Images of a generator have passed the same decoder. So an arm of reconstructed films tells what of a loss is the decoder's
smoothing, and what is the content of the images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from diffusers import AutoencoderKL

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import progress
from scripts.lib.generators.controlled.autoencoder import to_model
from scripts.lib.generators.shards import Parts
from scripts.lib.generators.speed import decode_finite
from scripts.lib.training.devices import Placement
from scripts.lib.training.resolution import fit_images

COPIED = ("patient_id", "view", "age", "sex", "report", "mask_sha256")


def wanted_rows(index: pd.DataFrame, subsets: pd.DataFrame, fraction: float) -> np.ndarray:
    """Return the positions in `index`, ascending, of the films that any trial learns from at a fraction or below it."""
    inside = set(subsets.loc[subsets["rank"] < fraction, "image_id"].astype(str))
    rows = np.flatnonzero(index["image_id"].astype(str).isin(inside) & (index["split"] == "train"))
    if not len(rows):
        raise InputError(f"subsets: no film of this cohort belongs to fraction {fraction:g}; draw the subsets again")
    return rows


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, films: np.ndarray, side: int, placement: Placement) -> np.ndarray:
    """Return films uint8 (n, R, R) as the autoencoder gives them back, uint8 (n, R, R): mean of the latents, no noise.

    `side`: the resolution in pixels that the autoencoder works at. Raises InputError where an image is not finite.
    """
    pixels = to_model(fit_images(films, side), vae.config.in_channels).to(placement.device, placement.dtype)
    latents = vae.encode(pixels).latent_dist.mean * vae.config.scaling_factor
    decoded = decode_finite(vae, latents).float().mean(dim=1)
    if not bool(torch.isfinite(decoded).all()):
        raise InputError("the autoencoder's answer is not finite, in float32 either; check the base model's weights")
    grey = decoded.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).cpu().numpy()
    return fit_images(grey, films.shape[-1])


def make_films(
    cohort: Cohort, rows: np.ndarray, vae: AutoencoderKL, side: int, placement: Placement, batch: int, parts: Parts
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (row, reconstructed film uint8 (R, R)) in the rows' order; batches that are in `parts` are not made again."""
    for number, start in enumerate(progress(range(0, len(rows), batch), desc=f"batches of {batch}")):
        chosen = rows[start : start + batch]
        made = parts.load(number, len(chosen))
        if made is None:
            made = reconstruct(vae, cohort.images(chosen), side, placement)
            parts.save(number, made)
        for row, film in zip(chosen, made):
            yield int(row), film


def write_films(out: Path, cohort: Cohort, films: Iterator[tuple[int, np.ndarray]], meta: Mapping[str, Any]) -> int:
    """Write films with the labels and masks of those that they were; return how many there are. Memory stays flat."""
    copied = [name for name in (*COPIED, *cohort.labels) if name in cohort.index]
    with CohortWriter(out, cohort.resolution, cohort.structures, cohort.labels, meta, cohort.has_masks) as writer:
        for row, film in films:
            said = cohort.index.iloc[row]
            name = str(said["image_id"])
            made = {key: said[key] for key in copied}
            made |= {"image_id": f"{name}-reconstructed", "film": name, "split": "train", "synthetic": True}
            mask = cohort.masks([row])[0] if cohort.has_masks else None
            writer.add(film, mask, made | {"sha256": pixels_sha256(film)})
        return len(writer)
