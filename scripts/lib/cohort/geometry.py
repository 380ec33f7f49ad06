"""From a film of any size to the square of the study: images averaged over area, masks by the share that they cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.lib.formats.record import Box

FITS = ("pad", "crop", "stretch")
# The share of an output pixel that a structure must cover. Tubes and fractures are thinner than a pixel of a small
# study and would vanish at one half.
COVER = {
    **dict.fromkeys(("lungs", "heart", "pneumothorax", "pneumonia", "pleural_effusion", "consolidation"), 0.5),
    **dict.fromkeys(("atelectasis", "cardiomegaly", "emphysema", "fibrosis"), 0.5),
    **dict.fromkeys(("rib_fracture", "chest_tube", "nodule", "calcification", "pleural_thickening"), 0.2),
}


def fit_image(image: NDArray[np.uint8], resolution: int, fit: str, aspect: float = 1.0) -> NDArray[np.uint8]:
    """Return a film uint8 (H, W) as uint8 (resolution, resolution).

    `fit` is "pad" (whole film, black borders), "crop" (central square) or "stretch" (the aspect is lost); `aspect` the
    height of a pixel of the film over its width. Pixels of the result are square.
    """
    size, corner = _placement(image.shape, resolution, fit, aspect)
    return _paste(_resized(Image.fromarray(image), size), corner, resolution)


def fit_mask(
    mask: NDArray[np.bool_], resolution: int, fit: str, cover: float, aspect: float = 1.0
) -> NDArray[np.bool_]:
    """Return a mask bool (H, W) as bool (resolution, resolution): pixels of which it covers at least the share `cover`.

    What covers less than that everywhere keeps its best covered pixels, so that no annotated structure vanishes.
    """
    size, corner = _placement(mask.shape, resolution, fit, aspect)
    shares = _paste(_resized(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)), size), corner, resolution)
    highest = int(shares.max())
    return (shares >= min(max(round(cover * 255), 1), highest)) & (shares > 0)


def fit_masks(
    masks: Mapping[str, NDArray[np.bool_]],
    structures: list[str],
    resolution: int,
    fit: str,
    cover: Mapping[str, float],
    aspect: float = 1.0,
) -> NDArray[np.uint8]:
    """Return the bit field uint8 (resolution, resolution) of full-size masks, bit c = structure c of `structures`."""
    field = np.zeros((resolution, resolution), dtype=np.uint8)
    for bit, structure in enumerate(structures):
        mask = masks.get(structure)
        if mask is not None and mask.any():
            small = fit_mask(mask, resolution, fit, cover.get(structure, 0.5), aspect)
            field |= small.astype(np.uint8) << np.uint8(bit)
    return field


def fit_boxes(
    boxes: Sequence[Box], shape: tuple[int, ...], resolution: int, fit: str, aspect: float = 1.0
) -> tuple[Box, ...]:
    """Return boxes in pixels of a film of `shape` (H, W) as boxes in pixels of the output square, cut at its borders.

    A box that lies in what "crop" cuts off is left out.
    """
    (width, height), (left, top) = _placement(shape, resolution, fit, aspect)
    across, down = width / shape[1], height / shape[0]
    fitted: list[Box] = []
    for name, x0, y0, x1, y1 in boxes:
        edges = np.clip([x0 * across + left, y0 * down + top, x1 * across + left, y1 * down + top], 0, resolution)
        if edges[2] > edges[0] and edges[3] > edges[1]:
            fitted.append((name, float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])))
    return tuple(fitted)


def _placement(
    shape: tuple[int, ...], resolution: int, fit: str, aspect: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the (width, height) to resize to and the (left, top) of the result in the output square."""
    height, width = shape[0] * aspect, shape[1]
    if fit == "stretch":
        return (resolution, resolution), (0, 0)
    scale = resolution / (max(height, width) if fit == "pad" else min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return size, ((resolution - size[0]) // 2, (resolution - size[1]) // 2)


def _resized(picture: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    if picture.size == size:
        return np.asarray(picture)
    smaller = size[0] <= picture.width and size[1] <= picture.height
    # A box filter is the exact mean over area; it would repeat pixels where the film grows.
    return np.asarray(picture.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR))


def _paste(array: NDArray[np.uint8], corner: tuple[int, int], resolution: int) -> NDArray[np.uint8]:
    """Return the array cut to the output square, or laid onto a black one; `corner` is (left, top), negative where cut."""
    left, top = corner
    if array.shape == (resolution, resolution):
        return array
    if left < 0 or top < 0 or max(array.shape) > resolution:
        return np.ascontiguousarray(array[-top : resolution - top, -left : resolution - left])
    out = np.zeros((resolution, resolution), dtype=np.uint8)
    out[top : top + array.shape[0], left : left + array.shape[1]] = array
    return out
