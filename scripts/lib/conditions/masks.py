"""Masks as bit fields: how they are changed, and on which side they lie.

A bit field is uint8 (H, W); bit c stands for structure c of the cohort. A transform is a mapping with any of the keys
    flip     true                 mirrored from left to right
    dx, dy   fraction of the width, of the height; positive = to the image's right, downwards
    dilate   radius as a fraction of the width          erode   likewise; one of the two
    targets  names of the structures that are dilated or eroded; the others keep their shape
    margin   border, as a fraction of the size, that a shift or a dilation must leave free
    keep     share of a structure's area that an erosion must leave
Flip and shift act on all structures alike, so that a pneumothorax stays in its lung. The paper names the four kinds of
change (Downstream Evaluation), not their magnitudes: those are configured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scripts.lib.conditions.mask_picture import painted
from scripts.lib.core.errors import InputError

TRANSFORM_KEYS = {"flip", "dx", "dy", "dilate", "erode", "targets", "margin", "keep"}
ONE_SIDED = 0.75  # share of a mask's pixels that must lie in one half for the mask to have a side


def render(bits: np.ndarray, structures: Sequence[str], transform: Mapping[str, Any] | None) -> np.ndarray:
    """Return the transformed bit field, uint8 (H, W), of a source field `bits`, uint8 (H, W); None changes nothing.

    No structure that is there vanishes, a pneumothorax does not grow out of annotated lungs, and the anatomy stays
    inside the margins: a magnitude that would break one of these is reduced, to nothing at worst.
    """
    if bits.ndim != 2 or bits.dtype != np.uint8:
        raise ValueError(f"mask field: {bits.dtype} {bits.shape}, expected uint8 (H, W)")
    transform = transform or {}
    if unknown := set(transform) - TRANSFORM_KEYS:
        raise InputError(f"mask transform: unknown keys {sorted(unknown)}; expected some of {sorted(TRANSFORM_KEYS)}")
    field = _resize_targets(bits.copy(), list(structures), transform)
    if transform.get("flip"):
        field = field[:, ::-1]
    return np.ascontiguousarray(_translate(field, list(structures), transform))


def different_transforms(
    uniforms: np.ndarray, settings: Mapping[str, Any], size: int, targets: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Turn uniform numbers in [0, 1), (n, 4), into transforms for masks of `size` pixels.

    Returns the different transforms and, (n,), which of them each row has: a million rows draw from a few thousand.
    `settings`: flip = probability; translate, dilate, erode = the largest magnitudes as fractions of the size; margin;
    keep. Magnitudes are whole pixels, each equally likely, from full erosion over nothing to full dilation.
    """
    reach = round(settings["translate"] * size)
    shrink, grow = round(settings["erode"] * size), round(settings["dilate"] * size)
    shape = (2, 2 * reach + 1, 2 * reach + 1, shrink + grow + 1)
    steps = np.floor(uniforms * shape).astype(int)
    steps[:, 0] = uniforms[:, 0] < settings["flip"]
    codes, which = np.unique(np.ravel_multi_index(steps.T, shape), return_inverse=True)
    different = []
    for flip, across, down, step in zip(*(part.tolist() for part in np.unravel_index(codes, shape))):
        dx, dy, radius = across - reach, down - reach, step - shrink
        transform: dict[str, Any] = {"flip": True} if flip else {}
        if dx or dy:
            transform |= {"dx": round(dx / size, 6), "dy": round(dy / size, 6)}
        if radius and targets:
            transform |= {"dilate" if radius > 0 else "erode": round(abs(radius) / size, 6), "targets": list(targets)}
        if radius < 0 and targets:
            transform["keep"] = settings["keep"]
        if dx or dy or (radius > 0 and targets):
            transform["margin"] = settings["margin"]
        different.append(transform)
    return different, which


def transform_text(transform: Mapping[str, Any]) -> str:
    """Return a transform as canonical JSON: part of an image's identity, so equal transforms have equal text."""
    return json.dumps(transform, sort_keys=True, separators=(",", ":"))


def middle_of(lungs: np.ndarray | None, width: int) -> float:
    """Return the column of the midline: the middle of the lungs, bool (H, W), where they are given, else of the image."""
    shown = lungs is not None and lungs.any()
    columns = np.flatnonzero(lungs.any(axis=0)) if lungs is not None and shown else np.array([0, width - 1])
    return float(columns[0] + columns[-1]) / 2


def side_of(mask: np.ndarray, lungs: np.ndarray | None = None) -> str | None:
    """Return the patient's side, "left" or "right", on which a mask (bool (H, W)) lies; None when empty or on both.

    A film shows the patient from the front: the image's right half is the patient's left. The midline is the middle of
    the lungs where they are given, else of the image.
    """
    middle = middle_of(lungs, mask.shape[1])
    per_column = mask.sum(axis=0)
    positions = np.arange(mask.shape[1])
    image_left, image_right = per_column[positions < middle].sum(), per_column[positions > middle].sum()
    total = per_column.sum()
    if total == 0 or max(image_left, image_right) < ONE_SIDED * total:
        return None
    return "left" if image_right > image_left else "right"


def _layer(field: np.ndarray, structures: list[str], name: str) -> np.ndarray:
    """Return one structure as bool (H, W); empty when this cohort does not annotate it."""
    if name not in structures:
        return np.zeros(field.shape, bool)
    return (field >> structures.index(name)) & 1 == 1


def _resize_targets(field: np.ndarray, structures: list[str], transform: Mapping[str, Any]) -> np.ndarray:
    width = field.shape[1]
    grow, shrink = round(transform.get("dilate", 0) * width), round(transform.get("erode", 0) * width)
    if not grow and not shrink:
        return field
    for name in painted(transform.get("targets", ())):
        layer = _layer(field, structures, name)
        if not layer.any():
            continue
        if grow:
            changed = _dilate(layer, grow, _room(field, structures, name, transform.get("margin", 0.0)))
        else:
            changed = _erode(layer, shrink, transform.get("keep", 0.0))
        if name == "lungs":
            changed |= layer & _layer(field, structures, "pneumothorax")
        bit = np.uint8(1 << structures.index(name))
        field = (field & ~bit) | np.where(changed, bit, np.uint8(0))
    return field


def _room(field: np.ndarray, structures: list[str], name: str, margin: float) -> np.ndarray:
    """Return where a structure may grow: a pneumothorax in the lungs, anything else (or without lungs) in the margins."""
    lungs = _layer(field, structures, "lungs")
    if name == "pneumothorax" and lungs.any():
        return lungs
    height, width = field.shape
    top, side = round(margin * height), round(margin * width)
    room = np.zeros(field.shape, bool)
    room[top : height - top, side : width - side] = True
    return room


def _dilate(layer: np.ndarray, radius: int, room: np.ndarray) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    return layer | (room & (distance_transform_edt(~layer) <= radius))


def _erode(layer: np.ndarray, radius: int, keep: float) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    # A film's edge is no edge of the structure: only pixels near real background go.
    depth = distance_transform_edt(layer) if not layer.all() else np.full(layer.shape, np.inf)
    for smaller in range(radius, 0, -1):
        left = depth > smaller
        if left.any() and left.sum() >= keep * layer.sum():
            return left
    return layer.copy()


def _translate(field: np.ndarray, structures: list[str], transform: Mapping[str, Any]) -> np.ndarray:
    height, width = field.shape
    dx, dy = round(transform.get("dx", 0) * width), round(transform.get("dy", 0) * height)
    if not (dx or dy) or not field.any():
        return field
    # Tubes enter from outside the film, so they may be cut by its edge; everything else stays inside the margins.
    tube = np.uint8(1 << structures.index("chest_tube")) if "chest_tube" in structures else np.uint8(0)
    body = (field & ~tube) != 0 if (field & ~tube).any() else field != 0
    margin = transform.get("margin", 0.0)
    dx = _limit(dx, np.flatnonzero(body.any(axis=0)), width, round(margin * width))
    dy = _limit(dy, np.flatnonzero(body.any(axis=1)), height, round(margin * height))
    before = _essence(field, structures)
    while _essence(moved := _shift(field, dx, dy), structures) != before:
        dx, dy = int(dx / 2), int(dy / 2)
    return moved


def _limit(step: int, occupied: np.ndarray, size: int, margin: int) -> int:
    """Return the step, cut so that the occupied lines stay in the margins; lines already outside go no further."""
    lowest, highest = min(0, margin - occupied[0]), max(0, size - 1 - margin - occupied[-1])
    return int(min(max(step, lowest), highest))


def _essence(field: np.ndarray, structures: list[str]) -> tuple[int, str | None]:
    """Return what a shift must not change: which structures are there, and on which side the pneumothorax lies."""
    pneumothorax = _layer(field, structures, "pneumothorax")
    side = side_of(pneumothorax, _layer(field, structures, "lungs")) if pneumothorax.any() else None
    return int(np.bitwise_or.reduce(field, axis=None)), side


def _shift(field: np.ndarray, dx: int, dy: int) -> np.ndarray:
    height, width = field.shape
    moved = np.zeros_like(field)
    moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = field[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return moved
