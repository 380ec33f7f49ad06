"""The grey values of a mask picture, whatever its encoding: what a person would see, or an error when that is not sure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.lib.core.errors import InputError
from scripts.lib.formats.deep import deep_samples

# A JPEG mask is two-valued but for its edges: no more than this share of pixels may lie between.
BETWEEN = 0.2


def grey_values(data: bytes, picture: Image.Image, deep: bool, declared: bool, where: str) -> NDArray:
    """Return the mask's grey values, unsigned integers (H, W), as stored (not turned); bilevel pictures give 0 and 1.

    A palette stands for its colours. Where these are no greys and grey values were `declared`, its indices count, as in
    the usual class palettes. Raises InputError for colours, and for transparency that contradicts the greys.
    """
    if deep:
        samples = deep_samples(data)
        alpha = samples[..., -1] if samples.shape[2] in (2, 4) else _keyed(samples, picture, 65535)
        return _with_alpha(_one_grey(samples[..., : 3 if samples.shape[2] > 2 else 1], 0, where), alpha, 65535, where)
    transparent = picture.info.get("transparency")
    if picture.mode == "P":
        colours = np.asarray(picture.convert("RGB" if transparent is None else "RGBA"))
        if _spread(colours[..., :3]) > 0 and declared and transparent is None:
            return np.asarray(picture)
        if np.ptp(colours.reshape(-1, colours.shape[2]), axis=0).max() == 0 and np.ptp(np.asarray(picture)) > 0:
            raise InputError(f"{where}: the mask's palette shows all its values in one colour; save it as grey")
    elif picture.mode in ("1", "L") or picture.mode.startswith("I"):
        array = np.asarray(picture)
        full = 65535 if picture.mode.startswith("I") else 255
        key = transparent if transparent is None or picture.mode != "1" else bool(transparent)
        alpha = None if key is None else np.where(array == key, 0, full)
        return _with_alpha(array.astype(np.uint8) if array.dtype == bool else array, alpha, full, where)
    elif picture.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        colours = np.asarray(picture.convert("RGBA"))
    else:
        colours = np.asarray(picture.convert("RGB") if transparent is None else picture.convert("RGBA"))
    grey = _one_grey(colours[..., :3], 16 if picture.format == "JPEG" else 0, where)
    return _with_alpha(grey, colours[..., 3] if colours.shape[2] == 4 else None, 255, where)


def check_soft(array: NDArray, where: str) -> None:
    """Raise InputError unless the grey values (H, W) of a JPEG are those of a two-valued mask with soft edges."""
    if 0 < int(array.max()) < 128:
        raise InputError(
            f"{where}: JPEG mask of values up to {array.max()}; JPEG does not keep such values, expected 0 and 255, or PNG"
        )
    between = float(((array > 32) & (array < 223)).mean())
    if between > BETWEEN:
        raise InputError(
            f"{where}: {between:.0%} of the mask's pixels lie between black and white; expected a mask, not a film"
        )


def _spread(colours: NDArray) -> int:
    return int((colours.max(axis=2).astype(np.int64) - colours.min(axis=2)).max())


def _one_grey(colours: NDArray, tolerance: int, where: str) -> NDArray:
    if _spread(colours) > tolerance:
        raise InputError(f"{where}: coloured mask; expected one grey channel")
    return colours[..., 0]


def _keyed(samples: NDArray, picture: Image.Image, full: int) -> NDArray | None:
    key = picture.info.get("transparency")
    return None if key is None else np.where((samples == np.asarray(key)).all(axis=2), 0, full)


def _with_alpha(grey: NDArray, alpha: NDArray | None, full: int, where: str) -> NDArray:
    """Return the grey values, or the opacity of a mask that is drawn in one colour."""
    if alpha is None or (alpha == full).all():
        return grey
    if grey.min() == grey.max():
        return alpha.astype(np.uint16 if full > 255 else np.uint8)
    hidden = alpha == 0
    if ((alpha != full) & ~hidden).any() or grey[hidden].any():
        raise InputError(
            f"{where}: the mask's transparency and its grey values disagree; save it as grey without alpha"
        )
    return grey
