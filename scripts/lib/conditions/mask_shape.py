"""The shape of what a mask shows, in numbers; and which masks cannot be: what lies outside of what real masks do.

Places are in coordinates of the lungs' box, 0 at its left and upper edge and 1 at its right and lower one, so that they compare
between films. Without lungs the whole film is that box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from scripts.lib.conditions.mask_prompts import findings_of

QUANTILE = 0.01  # of real masks, below which a mask is not valid
SLACK = 2  # pixels of 64 around the region in which a finding must lie
NAMES = ("log_area", "x", "y", "parts", "compactness")
NO_LUNGS = "no lungs"


def layers_of(field: np.ndarray, structures: Sequence[str]) -> dict[str, np.ndarray]:
    """Return each structure of a mask, uint8 (H, W), as bool (H, W)."""
    return {name: (field >> np.uint8(bit)) & 1 == 1 for bit, name in enumerate(structures)}


def shapes(fields: np.ndarray, structures: Sequence[str]) -> dict[str, np.ndarray]:
    """Return, by "structure.name" with name one of NAMES, a value for each mask of `fields`, uint8 (n, H, W).

    log_area: natural logarithm of the share of the film; x, y: the middle, in the lungs' box; parts: connected ones;
    compactness: 4 pi area / edge length squared, about 0.8 for a disc of pixels. nan where a mask does not show it.
    """
    measures = {f"{name}.{what}": np.full(len(fields), np.nan) for name in structures for what in NAMES}
    for row, field in enumerate(fields):
        layers = layers_of(field, structures)
        box = _box(layers.get("lungs"), field.shape)
        for name, layer in layers.items():
            if layer.any():
                for what, value in zip(NAMES, _shape(layer, box), strict=True):
                    measures[f"{name}.{what}"][row] = value
    return measures


def _box(lungs: np.ndarray | None, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Return left, top, width and height of the lungs' box."""
    if lungs is None or not lungs.any():
        return 0.0, 0.0, float(shape[1]), float(shape[0])
    ys, xs = np.flatnonzero(lungs.any(1)), np.flatnonzero(lungs.any(0))
    return float(xs[0]), float(ys[0]), float(xs[-1] - xs[0] + 1), float(ys[-1] - ys[0] + 1)


def _shape(layer: np.ndarray, box: tuple[float, float, float, float]) -> tuple[float, ...]:
    ys, xs = np.nonzero(layer)
    padded = np.pad(layer, 1)
    edge = int((padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum())
    return (
        float(np.log(layer.mean())),
        (float(xs.mean()) + 0.5 - box[0]) / box[2],
        (float(ys.mean()) + 0.5 - box[1]) / box[3],
        float(ndimage.label(layer)[1]),
        float(4 * np.pi * layer.sum() / edge**2),
    )


def plausibility(field: np.ndarray, structures: Sequence[str]) -> dict[str, float]:
    """Return what must not be too small in a mask that can be, each from 0 to 1 and only where it applies.

    smaller lung   share of the smaller lung in both             lung area      share of the film
    heart middle   share of the heart on its smaller side of the lungs' middle
    a finding      share of it that lies in the lungs, or in the heart for cardiomegaly, or no further than SLACK from it
    """
    layers = layers_of(field, structures)
    lungs = layers.get("lungs")
    measured: dict[str, float] = {}
    if lungs is not None:
        if not lungs.any():
            return {NO_LUNGS: 0.0}
        sizes = np.sort(np.bincount(ndimage.label(lungs)[0].ravel())[1:])[::-1]
        measured["smaller lung"] = float(sizes[1] / sizes[:2].sum()) if len(sizes) > 1 else 0.0
        measured["lung area"] = float(lungs.mean())
    box = _box(lungs, field.shape)
    heart = layers.get("heart")
    if heart is not None and heart.any():
        share = float(heart[:, : round(box[0] + box[2] / 2)].sum() / heart.sum())
        measured["heart middle"] = min(share, 1 - share)
    for name in findings_of(structures):
        region = heart if name == "cardiomegaly" else lungs
        if region is not None and layers[name].any():
            near = ndimage.binary_dilation(region, iterations=max(1, SLACK * field.shape[0] // 64))
            measured[name] = float(near[layers[name]].mean())
    return measured


def limits_of(fields: np.ndarray, structures: Sequence[str]) -> dict[str, float]:
    """Return the limit of each measure of `plausibility`: its QUANTILE among real masks, uint8 (n, H, W)."""
    measured: dict[str, list[float]] = {}
    for field in fields:
        for name, value in plausibility(field, structures).items():
            measured.setdefault(name, []).append(value)
    limits = {name: float(np.quantile(values, QUANTILE)) for name, values in sorted(measured.items())}
    return {name: value for name, value in limits.items() if name != NO_LUNGS}


def least_of(fields: np.ndarray, structures: Sequence[str]) -> dict[str, float]:
    """Return from which share of the film on a finding counts as shown: its QUANTILE among real masks that show it."""
    shares = {name: layer.mean((1, 2)) for name, layer in layers_of(fields, structures).items()}
    return {
        name: float(np.quantile(shares[name][shares[name] > 0], QUANTILE))
        for name in findings_of(structures)
        if shares[name].any()
    }


def faults_of(field: np.ndarray, structures: Sequence[str], limits: Mapping[str, float]) -> list[str]:
    """Return what of a mask lies below its limit, in words; nothing for a valid mask."""
    return faults_among(plausibility(field, structures), limits)


def faults_among(measured: Mapping[str, float], limits: Mapping[str, float]) -> list[str]:
    """Return the same of what `plausibility` measured."""
    return [name for name, value in measured.items() if name == NO_LUNGS or value < limits.get(name, 0)]
