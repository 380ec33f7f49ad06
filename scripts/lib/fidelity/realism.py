"""How real an image looks: how near it lies to real films, in features that no label has taught.

Real films are halved by patient. One half is the reference. The other half, as it is and damaged, shows that the distance tells
real films from what is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter
from scipy.spatial.distance import cdist

from scripts.lib.cohort.store import Cohort, read_index
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.fidelity.chosen import choose, halves, rows_of_splits
from scripts.lib.fidelity.features import check_alike, check_rows, read_features

MOST = 4000  # real films with the lowest hash that are compared, in both halves
BLOCK = 512  # images whose distances to all of the reference are held at once
GRAIN = 40.0  # grey values
BLUR = 1 / 16  # of the side


def blurred(film: np.ndarray) -> np.ndarray:
    """Return the film out of focus."""
    return np.asarray(Image.fromarray(film).filter(ImageFilter.GaussianBlur(film.shape[0] * BLUR)))


def grainy(film: np.ndarray) -> np.ndarray:
    """Return the film with strong grain, which depends on the film alone."""
    grain = rng("realism", "grain", film.tobytes().hex()).normal(0, GRAIN, film.shape)
    return np.clip(np.rint(film + grain), 0, 255).astype(np.uint8)


def tiled(film: np.ndarray) -> np.ndarray:
    """Return the film with its four quarters turned round the middle: right texture, no anatomy."""
    half = film.shape[0] // 2
    return np.roll(film, (half, half), (0, 1))


def faded(film: np.ndarray) -> np.ndarray:
    """Return the film with a quarter of its contrast."""
    return np.rint(film * 0.25 + 96).astype(np.uint8)


DAMAGES: tuple[Callable[[np.ndarray], np.ndarray], ...] = (blurred, grainy, tiled, faded)


def damaged(films: np.ndarray) -> np.ndarray:
    """Return films uint8 (n, H, H), each damaged in one of DAMAGES, in turn."""
    return np.stack([DAMAGES[place % len(DAMAGES)](film) for place, film in enumerate(films)])


def distances(images: np.ndarray, reference: np.ndarray, nearest: int) -> np.ndarray:
    """Return each image's mean distance (n,) to its `nearest` rows of the reference (m, D), in units of the reference's spread.

    Raises InputError where the reference has too few rows, or no spread.
    """
    if len(reference) < nearest:
        raise InputError(f"experts: realism: {len(reference)} real films, fewer than fidelity.nearest = {nearest}; lower it, or take realism out of experts.names")  # fmt: skip
    centre, spread = reference.mean(axis=0), reference.std(axis=0)
    used = spread > 1e-6 * max(1.0, float(np.abs(centre).max()))
    if not used.any():
        raise InputError("experts: realism: all real films have the same features; is every film of one grey value?")
    whole = ((reference - centre) / np.where(used, spread, 1.0))[:, used]
    parts = [np.zeros(0)]
    for start in range(0, len(images), BLOCK):
        rows = ((images[start : start + BLOCK] - centre) / np.where(used, spread, 1.0))[:, used]
        parts.append(np.sort(cdist(rows, whole), axis=1)[:, :nearest].mean(axis=1))
    return np.concatenate(parts)


def score_realism(
    pool: tuple[Sequence[Path], Sequence[Path]], films: tuple[Path, Path], split: str,
    features_of: Callable[[np.ndarray], np.ndarray], nearest: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Return the tables (image_id, group, asked_real, found_real = -distance) of a pool's images, and of real and damaged films.

    pool         its shards and their features, one file each
    films        a cohort and its features; `split`: which of its films are meant
    features_of  the same features of pixels uint8 (n, H, H)
    """
    known, real = realism_of_films(films, split, features_of, nearest)
    shards = [read_index(folder, ["image_id"])["image_id"].astype(str).tolist() for folder in pool[0]]
    for shard, file in zip(shards, pool[1], strict=True):
        check_rows(file, len(shard))
    images = [name for shard in shards for name in shard]
    features = read_features(pool[1]).astype(float)
    check_alike((features, pool[1][0]), (known, films[1]))
    return realism_table(images, distances(features, known, nearest)), real


def realism_of_films(
    films: tuple[Path, Path], split: str, features_of: Callable[[np.ndarray], np.ndarray], nearest: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the features (m, D) of the films that images are held against, and the table of real and damaged films.

    The arguments are those of `score_realism`, which says what the table holds.
    """
    rows = rows_of_splits(films[0], [split])
    if not len(rows):
        raise InputError(f"{films[0]}: no film of split {split}; correct faithfulness.sources")
    reference, held = halves(choose([films[0]], [films[1]], [], [rows], MOST))
    known = reference.features([films[1]]).astype(float)
    opened = Cohort.open(films[0], ["image_id"])
    worse = features_of(damaged(opened.images(held.row))).astype(float)
    far = distances(np.concatenate([held.features([films[1]]).astype(float), worse]), known, nearest)
    names = held.index["image_id"].astype(str).tolist()
    patients = held.index["patient_id"].astype(str).tolist()
    real = realism_table(names + [f"{name} damaged" for name in names], far, patients * 2)
    real["asked_real"] = np.repeat([1.0, 0.0], len(held))
    return known, real


def realism_table(names: Sequence[str], far: np.ndarray, groups: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the table of images from their distances (n,); `groups`: whose each is, else each its own."""
    table = pd.DataFrame({"image_id": list(names), "group": list(groups or names)}).astype("string")
    return table.assign(asked_real=1.0, found_real=-far)
