"""The lateral view: a second, simpler projection with the spine behind (right) and the breastbone in front (left)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scripts.lib.phantom.anatomy import ABDOMEN, AIR, HEART, LUNG, SOFT_TISSUE
from scripts.lib.phantom.shapes import Array, blend, bounding_box, bump, ellipse, grid, soft, texture
from scripts.lib.phantom.spec import STRUCTURES, Film, FilmSpec


def lateral_lungs(x: Array, y: Array, spec: FilmSpec, base: float) -> Array:
    """Return the signed distance to both lungs, seen one over the other, positive inside."""
    up = np.clip((0.1 - y) / np.float32(0.1 - spec.patient.lung_top), 0.0, 1.0)
    half = np.float32(0.53) * np.sqrt(np.maximum(1.0 - up ** np.float32(1.7), 0.0))
    middle = 0.04 + 0.10 * up * up
    dome = np.float32(base) + 0.17 * ((x + 0.08) / 0.45) ** 2 * np.where(x > -0.08, 1.6, 0.4).astype(np.float32)
    return np.minimum(np.minimum(half - np.abs(x - middle), dome - y), y - np.float32(spec.patient.lung_top + 0.04))


def lateral_heart(x: Array, y: Array, spec: FilmSpec, base: float) -> Array:
    """Return the signed distance to the heart, in front above the diaphragm."""
    big = spec.finding("cardiomegaly")
    size = 0.26 + (0.07 + 0.05 * big.severity if big else 0.0)
    heart = ellipse(x, y, (-0.19 + 0.4 * (size - 0.26), base + 0.05 - 0.78 * size), (1.15 * size, 0.85 * size), -0.6)
    return np.minimum(heart, np.float32(base + 0.12) - y)


def lateral_base(spec: FilmSpec) -> float:
    """Return the height of the diaphragm, raised on the side of an atelectasis."""
    collapse = spec.finding("atelectasis")
    return spec.patient.lung_base - (0.10 + 0.10 * collapse.severity if collapse else 0.0)


def lateral_skeleton(density: Array, x: Array, y: Array, spec: FilmSpec) -> None:
    """Add spine, breastbone, ribs, great vessels and raised arms in place."""
    curve = x - np.float32(0.53) + 0.10 * (y - 0.1) ** 2
    blocks = 0.75 + 0.25 * np.cos(y * np.float32(34.0))
    density += 0.17 * soft(0.075 - np.abs(curve), 0.05) * blocks
    front = x + 0.52 - 0.36 * np.clip(0.1 - y, 0.0, 1.0) ** 1.6
    density += 0.14 * soft(0.022 - np.abs(front), 0.03) * soft(0.35 - y, 0.1) * soft(y + 0.55, 0.1)
    spacing = np.float32(2 * np.pi / spec.patient.rib_spacing)
    rib = soft(np.cos((y - 0.35 * (0.5 - x)) * spacing) - 0.5, 0.7)
    density += 0.05 * rib * soft(0.55 - np.abs(x), 0.1) * soft(0.5 - y, 0.2) * soft(y + 0.75, 0.2)
    density += 0.16 * bump(x, y, (0.06, -0.36), (0.10, 0.20))
    density += 0.14 * soft(-0.62 - y + 0.2 * np.abs(x - 0.1), 0.16) * soft(0.5 - np.abs(x - 0.1), 0.2)


def lateral_findings(
    density: Array, lungs: Array, x: Array, y: Array, spec: FilmSpec, rng: np.random.Generator
) -> list:
    """Draw the findings a lateral film shows in place; returns the boxes of pneumonia."""
    base, inside, boxes = lateral_base(spec), soft(lungs, 0.03), []
    for finding in spec.findings:
        if finding.name == "pleural effusion":
            level = base + 0.02 - 0.30 * finding.severity - 0.35 * np.maximum(x - 0.15, 0.0)
            blend(density, soft(y - level, 0.05) * soft(lungs + 0.05, 0.04) * soft(x + 0.25, 0.3), ABDOMEN)
        elif finding.name in {"consolidation", "pneumonia"}:
            spot = ellipse(x, y, (rng.uniform(-0.1, 0.3), rng.uniform(-0.3, 0.2)), (0.24, 0.18), rng.uniform(-0.6, 0.6))
            grain = (0.82 + 0.3 * texture(rng, x.shape[0], 18)) if finding.name == "pneumonia" else 1.0
            blend(density, np.clip(inside * soft(spot, 0.08) * grain * 0.8, 0.0, 0.95), HEART)
            if finding.name == "pneumonia":
                boxes = [box for box in [bounding_box((spot > 0) & (lungs > 0))] if box]
        elif finding.name == "edema":
            haze = bump(x, y, (0.02, 0.0), (0.26, 0.3)) * (0.5 + 0.25 * finding.severity)
            blend(density, np.clip(inside * haze, 0.0, 0.9), HEART - 0.08)
        elif finding.name == "atelectasis":
            line = y - (base - 0.14 + 0.25 * x)
            blend(density, inside * soft(0.03 - np.abs(line), 0.03) * 0.8, HEART)
        elif finding.name == "pneumothorax":
            pocket = ellipse(x, y, (-0.22, -0.24), (0.13, 0.32 + 0.1 * finding.severity), 0.45)
            blend(density, inside * soft(pocket, 0.03) * 0.9, 0.12)
    return boxes


def draw_lateral(
    spec: FilmSpec,
    size: int,
    rng: np.random.Generator,
    expose: Callable[[Array, np.random.Generator], NDArray[np.uint8]],
) -> Film:
    """Draw the lateral film of `spec` at (size, size); only lungs and heart have masks, both lungs count as one."""
    gx, gy = grid(size)
    zoom = np.float32(1.0 / rng.uniform(0.95, 1.06))
    x = (gx - np.float32(rng.normal(0.0, 0.03))) * zoom
    y = (gy - np.float32(rng.normal(0.04, 0.03))) * zoom
    base = lateral_base(spec)
    lungs, heart = lateral_lungs(x, y, spec, base), lateral_heart(x, y, spec, base)
    trunk = 0.72 + 0.08 * spec.patient.fat - np.abs(x - 0.03) - 0.30 * np.clip(-y, 0.0, 1.0) ** 2
    density = AIR + (SOFT_TISSUE + 0.06 - AIR) * soft(trunk, 0.14)
    blend(density, soft(y - base - 0.05, 0.5) * soft(trunk, 0.1), ABDOMEN)
    vessels = 0.06 * texture(rng, size, 22) * bump(x, y, (0.05, -0.02), (0.3, 0.35))
    hilum = 0.16 * bump(x, y, (0.06, -0.06), (0.09, 0.10))
    blend(density, soft(lungs, 0.05), LUNG + 0.02 + 0.05 * spec.patient.fat + vessels + hilum)
    blend(density, soft(heart, 0.06), HEART - 0.06)
    boxes = lateral_findings(density, lungs, x, y, spec, rng)
    lateral_skeleton(density, x, y, spec)
    masks = {name: np.zeros((size, size), dtype=bool) for name in STRUCTURES}
    masks["heart"] = heart > 0
    masks["lungs"] = (lungs > 0) & (heart <= 0)
    empty = np.zeros((size, size), dtype=bool)
    return Film(expose(density, rng), masks, {"left": empty, "right": empty}, boxes, spec.findings)
