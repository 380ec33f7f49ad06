"""Films for the leakage firewall: phantom films, copies of them of each kind, and small stores made of both."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from scripts.lib.cohort.reduced import reduce_views
from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.evidence.leakage import Store
from scripts.lib.phantom.film import draw_film
from scripts.lib.phantom.spec import FilmSpec, Finding
from scripts.lib.phantom.study import draw_patient

SIZE = 128
FINDINGS = ("pneumonia", "pneumothorax", "pleural effusion", "consolidation")
SETTINGS: dict[str, Any] = {"allow": [], "links": [], "least_correlation": 0.95, "tuning": False}


@cache
def phantom(number: int) -> np.ndarray:
    """Return a phantom film, uint8 (SIZE, SIZE), one of a patient of its own."""
    finding = Finding(FINDINGS[number % 4], ("left", "right")[number // 4 % 2], 0.6)
    spec = FilmSpec(
        draw_patient(number, np.random.default_rng(number)), (finding,), ("PA", "AP")[number % 2], 1, 1, "train", number
    )
    return draw_film(spec, SIZE, np.random.default_rng(number)).image


def _picture(film: np.ndarray) -> Image.Image:
    return Image.fromarray(film)


def _cut(film: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    height, width = film.shape
    box = (round(left * width), round(top * height), width - round(right * width), height - round(bottom * height))
    return np.asarray(_picture(film).crop(box).resize((width, height), Image.Resampling.BICUBIC))


def _encoded(film: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    _picture(film).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def _rescaled(film: np.ndarray) -> np.ndarray:
    small = _picture(film).resize((film.shape[1] * 2 // 3, film.shape[0] * 2 // 3), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((film.shape[1], film.shape[0]), Image.Resampling.BICUBIC))


def _lit(film: np.ndarray, gain: float, offset: float, gamma: float) -> np.ndarray:
    return np.clip(255 * (film / 255) ** gamma * gain + offset, 0, 255).astype(np.uint8)


# Every way in which a copy of a film comes into a dataset, by name.
CHANGES = {
    "mirrored": lambda film: np.ascontiguousarray(film[:, ::-1]),
    "5 % off every border": lambda film: _cut(film, 0.05, 0.05, 0.05, 0.05),
    "5 % off one border": lambda film: _cut(film, 0.05, 0, 0, 0),
    "5 % off a corner": lambda film: _cut(film, 0, 0.05, 0.05, 0),
    "2.5 % off every border": lambda film: _cut(film, 0.025, 0.025, 0.025, 0.025),
    "mirrored and cut": lambda film: _cut(np.ascontiguousarray(film[:, ::-1]), 0.05, 0, 0, 0.05),
    "re-encoded": _encoded,
    "rescaled": _rescaled,
    "brighter": lambda film: _lit(film, 1.1, 10, 1.0),
    "darker": lambda film: _lit(film, 0.8, 0, 1.0),
    "other gamma": lambda film: _lit(film, 1.0, 0, 0.75),
}


def _framed(film: np.ndarray, top: float, bottom: float, side: float, grey: int) -> np.ndarray:
    """Return a film with bars added, shares of its side, made as large as before."""
    height, width = film.shape
    bars = ((round(top * height), round(bottom * height)), (round(side * width),) * 2)
    picture = _picture(np.pad(film, bars, constant_values=grey))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def _letterboxed(film: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return a film that was cut and then padded to a square, as `fit: pad` does."""
    height, width = film.shape
    part = film[
        round(top * height) : height - round(bottom * height), round(left * width) : width - round(right * width)
    ]
    lack = max(part.shape) - np.array(part.shape)
    padded = np.pad(part, [(one // 2, one - one // 2) for one in lack])
    return np.asarray(_picture(padded).resize((width, height), Image.Resampling.BICUBIC))


# Copies with another frame than their films.
FRAMES = {
    "5 % off below, padded": lambda film: _letterboxed(film, 0, 0, 0, 0.05),
    "5 % off both sides, padded": lambda film: _letterboxed(film, 0.05, 0, 0.05, 0),
    "black border": lambda film: _framed(film, 0.1, 0.1, 0.1, 0),
    "white bars": lambda film: _framed(film, 0.08, 0.12, 0, 255),
    "mirrored with a border, as JPEG": lambda film: _encoded(_framed(film[:, ::-1], 0, 0.1, 0.05, 0)),
}


def store(images: Sequence[np.ndarray], prefix: str, split: str | Sequence[str] = "train") -> Store:
    """Return a store of these films, a patient each: identifiers PREFIX-7 and PREFIX-p7."""
    films = pd.DataFrame(
        {
            "image_id": [f"{prefix}-{number}" for number in range(len(images))],
            "patient_id": [f"{prefix}-p{number}" for number in range(len(images))],
            "sha256": [pixels_sha256(image) for image in images],
            "split": split,
        }
    ).astype("string")
    return Store(films, reduce_views(np.stack(images)))


def learned(stores: dict[str, Store], role: str = "base") -> pd.DataFrame:
    """Return the list of all films of these stores."""
    parts = [one.films.assign(dataset=name, role=role) for name, one in stores.items()]
    return pd.concat(parts, ignore_index=True)[["dataset", "image_id", "patient_id", "sha256", "role"]]
