"""Copies of training films as a generator or a person might make them, planted to prove that copies are found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from scripts.lib.core.seeds import rng

CROP = 0.05  # of the side, cut off in all and enlarged again
GAIN, OFFSET = 0.8, 30.0  # of grey values
NOISE = 12.0  # grey values: grain that a generator adds
BLUR = 0.5  # of the side: detail that an autoencoder loses


def exact(film: np.ndarray) -> np.ndarray:
    """Return the film."""
    return film


def flipped(film: np.ndarray) -> np.ndarray:
    """Return the film mirrored."""
    return film[:, ::-1]


def cropped(film: np.ndarray) -> np.ndarray:
    """Return the film without a twentieth of its width and height, enlarged again; from which borders depends on the film."""
    side = film.shape[0]
    cut = max(1, round(CROP * side))
    top, left = rng("planted", "crop", film.tobytes().hex()).integers(0, cut + 1, 2)
    part = Image.fromarray(np.ascontiguousarray(film[top : top + side - cut, left : left + side - cut]))
    return np.asarray(part.resize((side, side), Image.Resampling.BILINEAR))


def brightness(film: np.ndarray) -> np.ndarray:
    """Return the film with less contrast and brighter."""
    return np.clip(np.rint(film * GAIN + OFFSET), 0, 255).astype(np.uint8)


def redrawn(film: np.ndarray) -> np.ndarray:
    """Return the film at half its sharpness, with grain: what a generator that knows it by heart draws."""
    side = film.shape[0]
    small = Image.fromarray(film).resize((max(1, int(side * BLUR)),) * 2, Image.Resampling.BOX)
    large = np.asarray(small.resize((side, side), Image.Resampling.BILINEAR)).astype(np.float64)
    grain = rng("planted", "grain", film.tobytes().hex()).normal(0, NOISE, film.shape)
    return np.clip(np.rint(large + grain), 0, 255).astype(np.uint8)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    one.__name__: one for one in (exact, flipped, cropped, brightness, redrawn)
}


def planted(kind: str, films: np.ndarray) -> np.ndarray:
    """Return copies of one kind of films uint8 (n, H, H), the same shape."""
    return np.stack([KINDS[kind](film) for film in films])
