"""The findings on a frontal film: how each moves the anatomy, what it adds to the density, and which mask it leaves.

Every function takes the film's `Canvas`; `severity` in [0, 1] scales extent first and contrast second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.lib.phantom.anatomy import ABDOMEN, HEART, Geometry, chest_distance, lateral_wall, rib_bend
from scripts.lib.phantom.shapes import Array, blend, bump, ellipse, polyline, soft, texture
from scripts.lib.phantom.spec import Finding, Patient

PLEURAL_AIR = 0.10
AIR_FORMS, AIR_SHARES = ("whole", "apical", "pocket", "basal"), (0.35, 0.30, 0.20, 0.15)


@dataclass
class Canvas:
    """A film being drawn: body coordinates, density (changed in place) and signed lung distances by side (+1 left)."""

    u: Array
    v: Array
    density: Array
    lungs: dict[int, Array]
    geometry: Geometry
    patient: Patient
    rng: np.random.Generator

    def lung(self, sign: int, width: float = 0.03) -> Array:
        """Return the soft weight of one lung."""
        return soft(self.lungs[sign], width)


def deform(geometry: Geometry, findings: tuple[Finding, ...], rng: np.random.Generator) -> None:
    """Change the geometry in place: wide heart, raised diaphragm, midline pulled or pushed to one side."""
    for finding in findings:
        if finding.name == "cardiomegaly":
            geometry.heart_ratio = 0.59 + 0.13 * finding.severity + rng.uniform(-0.01, 0.01)
            geometry.heart_tilt *= 0.7
        elif finding.name == "atelectasis":
            geometry.base[finding.sign] -= 0.13 + 0.15 * finding.severity
            geometry.shift += finding.sign * (0.02 + 0.04 * finding.severity)
        elif finding.name == "pneumothorax":
            geometry.shift -= finding.sign * 0.05 * finding.severity


def atelectasis(canvas: Canvas, finding: Finding) -> NDArray[np.bool_]:
    """Plate-like bands above the raised diaphragm and a dense wedge beside the heart; returns their area."""
    rng, sign = canvas.rng, finding.sign
    us = canvas.u * np.float32(sign)
    lung = canvas.lung(sign)
    base = canvas.geometry.base[sign]
    tilt = rng.uniform(-0.35, 0.15)
    area = np.zeros(us.shape, dtype=bool)
    for k in range(1 + int(finding.severity > 0.45)):
        line = canvas.v - (base - 0.13 - 0.14 * k + tilt * (us - 0.3))
        ends = soft(us - 0.12, 0.1) * soft(rng.uniform(0.5, 0.62) - us, 0.1)
        band = soft(rng.uniform(0.026, 0.038) - np.abs(line), 0.03) * ends
        blend(canvas.density, lung * band * 0.85, HEART - 0.06)
        area |= lung * band > 0.5
    wedge = soft(canvas.v - (base - 0.24 + 0.9 * (us - 0.12)), 0.12)
    blend(canvas.density, lung * wedge * (0.45 + 0.3 * finding.severity), HEART - 0.08)
    return area | (lung * wedge > 0.5)


def consolidation(canvas: Canvas, finding: Finding) -> NDArray[np.bool_]:
    """A lobe filled to soft-tissue density, nearly even, with a sharp border at the fissure; returns its area."""
    rng, sign = canvas.rng, finding.sign
    us = canvas.u * np.float32(sign)
    fissure = rng.uniform(-0.14, 0.02) + rng.uniform(-0.12, 0.25) * (us - 0.35)
    height = 0.26 + 0.26 * finding.severity
    if rng.random() < 0.6:
        sharp, fading = fissure - canvas.v, canvas.v - (fissure - height)
    else:
        sharp, fading = canvas.v - fissure, fissure + 0.8 * height - canvas.v
    weight = canvas.lung(sign) * soft(sharp, 0.03) * soft(fading, 0.16)
    grain = 1.0 + 0.10 * texture(rng, us.shape[0], 12)
    blend(canvas.density, np.clip(weight * grain * (0.72 + 0.2 * finding.severity), 0.0, 1.0), HEART - 0.04)
    return weight > 0.5


def edema(canvas: Canvas, finding: Finding) -> None:
    """Bat-wing haze around both hila, fading towards wall, apex and base, with blurred vessels."""
    us = np.abs(canvas.u)
    weight = bump(us, canvas.v, (0.24, 0.02), (0.15, 0.26)) + 0.35 * bump(us, canvas.v, (0.40, 0.12), (0.2, 0.3))
    grain = 1.0 + 0.28 * texture(canvas.rng, us.shape[0], 18)
    lungs = canvas.lung(1) + canvas.lung(-1)
    strength = 0.52 + 0.3 * finding.severity
    blend(canvas.density, np.clip(lungs * weight * grain * strength, 0.0, 0.92), HEART - 0.08)


def pleural_effusion(canvas: Canvas, finding: Finding) -> NDArray[np.bool_]:
    """Fluid at the base: its surface rises towards the chest wall (meniscus) and blunts the angle; returns its area."""
    sign = finding.sign
    us = canvas.u * np.float32(sign)
    height = 0.13 + 0.40 * finding.severity
    surface = canvas.geometry.base[sign] + 0.06 - height - 0.34 * np.maximum(us - 0.22, 0.0) ** 1.5
    side = np.minimum(us - 0.09, lateral_wall(canvas.geometry, canvas.v) + 0.01 - us)
    fluid = soft(canvas.v - surface, 0.05) * soft(side, 0.03)
    blend(canvas.density, fluid * 0.95, ABDOMEN)
    return fluid > 0.5


def pneumonia(canvas: Canvas, finding: Finding) -> list[NDArray[np.bool_]]:
    """One to three patchy cloudy spots, mostly in one lung; returns the separate areas, for their boxes."""
    rng, spots = canvas.rng, []
    count = 1 + int(rng.random() < finding.severity) + int(rng.random() < 0.2)
    signs = [finding.sign if k == 0 or rng.random() < 0.75 else -finding.sign for k in range(count)]
    for sign in signs:
        centre = (sign * rng.uniform(0.27, 0.46), rng.uniform(-0.28, 0.30))
        radius = rng.uniform(0.15, 0.20) + 0.09 * finding.severity
        axes = (radius * rng.uniform(0.75, 1.0), radius * rng.uniform(0.85, 1.2))
        spot = ellipse(canvas.u, canvas.v, centre, axes, rng.uniform(-0.8, 0.8))
        ragged = spot + 0.05 * texture(rng, canvas.u.shape[0], 14)
        grain = 0.80 + 0.32 * texture(rng, canvas.u.shape[0], 20)
        weight = canvas.lung(sign) * soft(ragged, 0.13) * np.clip(grain, 0.25, 1.1)
        blend(canvas.density, np.clip(weight * (0.62 + 0.25 * finding.severity), 0.0, 0.95), HEART - 0.06)
        spots.append((spot > -0.01) & (canvas.lungs[sign] > 0))
    return merge_touching(spots)


def merge_touching(areas: list[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Return the areas with those that overlap joined into one; empty ones are left out."""
    apart: list[NDArray[np.bool_]] = []
    for area in areas:
        joined = [other for other in apart if (other & area).any()]
        apart = [other for other in apart if not (other & area).any()]
        apart.append(np.logical_or.reduce([area, *joined]))
    return [area for area in apart if area.any()]


def pneumothorax(canvas: Canvas, finding: Finding) -> NDArray[np.bool_]:
    """Dark air between chest wall and collapsed lung, with a bright pleural line; returns its mask.

    The air lies all around the lung, over its apex, in a pocket at the wall, or above the diaphragm. What is drawn into
    this lung later stays inside the collapsed part.
    """
    rng, sign = canvas.rng, finding.sign
    form = AIR_FORMS[int(rng.choice(len(AIR_FORMS), p=AIR_SHARES))]
    reach = _air_reach(form, canvas.v, rng)
    lost = 0.18 + 0.27 * finding.severity
    across = rng.uniform(0.75, 0.95) if form == "pocket" else rng.uniform(0.30, 0.80)
    lost_u, lost_v = 1.0 - (1.0 - lost) ** across, 1.0 - (1.0 - lost) ** (1.0 - across)
    root_v = rng.uniform(-0.4, -0.2) if form == "basal" else canvas.geometry.base[sign] + rng.uniform(0.08, 0.14)
    inner_u = sign * 0.14 + (canvas.u - np.float32(sign * 0.14)) / (1.0 - np.float32(lost_u) * reach)
    inner_v = root_v + (canvas.v - np.float32(root_v)) / (1.0 - np.float32(lost_v) * reach)
    collapsed = chest_distance(canvas.geometry, inner_u, inner_v, sign) * np.float32(1.0 - max(lost_u, lost_v))
    mask = (canvas.lungs[sign] > 0) & (collapsed < 0)
    lung = canvas.lung(sign)
    blend(canvas.density, lung * soft(collapsed, 0.02) * (0.10 + 0.12 * finding.severity) * (form == "whole"), HEART)
    air = lung * (1.0 - soft(collapsed, 0.02))
    blend(canvas.density, air, PLEURAL_AIR + 0.03 * canvas.patient.fat + rng.uniform(0.0, 0.06))
    edge = lung * soft(0.016 - np.abs(collapsed), 0.014) * soft(canvas.lungs[sign] - 0.02, 0.03)
    blend(canvas.density, edge * rng.uniform(0.4, 0.8), 0.62)
    canvas.lungs[sign] = np.minimum(canvas.lungs[sign], collapsed)
    return mask


def _air_reach(form: str, v: Array, rng: np.random.Generator) -> Array:
    """Return by height how far pleural air reaches in, from 0 (the lung touches the wall) to 1."""
    if form == "apical":
        return soft(rng.uniform(-0.40, 0.0) - v, 0.4)
    if form == "pocket":
        return np.exp(-(((v - rng.uniform(-0.35, 0.2)) * np.float32(1.0 / rng.uniform(0.14, 0.26))) ** 2))
    if form == "basal":
        return soft(v - rng.uniform(0.0, 0.2), 0.3)
    return np.ones_like(v)


def rib_fracture(canvas: Canvas, finding: Finding) -> NDArray[np.bool_]:
    """A break in one or two side ribs: a dark gap with a step and bright callus on both ends; returns its mask."""
    rng, sign, patient = canvas.rng, finding.sign, canvas.patient
    us = canvas.u * np.float32(sign)
    mask = np.zeros(us.shape, dtype=bool)
    rib = int(rng.integers(0, 3))
    for k in range(1 + int(rng.random() < finding.severity)):
        first = np.ceil((-0.30 - rib_bend(patient, 0.5)) / patient.rib_spacing)
        height = (first + rib + k) * patient.rib_spacing + rib_bend(patient, 0.5)
        wall = float(lateral_wall(canvas.geometry, np.asarray([height], dtype=np.float32))[0])
        at = wall - rng.uniform(0.04, 0.13)
        height += rib_bend(patient, at) - rib_bend(patient, 0.5)
        for end, step in ((-0.036, -0.022), (0.036, 0.022)):
            canvas.density += 0.42 * bump(us, canvas.v, (at + end, height + step), (0.030, 0.028))
        canvas.density -= 0.16 * bump(us, canvas.v, (at, height), (0.014, 0.05))
        mask |= ellipse(us, canvas.v, (at, height), (0.082, 0.066)) > 0
    return mask


def chest_tube(canvas: Canvas, finding: Finding, low: bool) -> NDArray[np.bool_]:
    """A bright tube from the side wall into the lung, up to the apex or down to the base (`low`); returns its mask."""
    rng, sign = canvas.rng, finding.sign
    height = rng.uniform(0.10, 0.32)
    wall = float(lateral_wall(canvas.geometry, np.asarray([height], dtype=np.float32))[0])
    start = np.array([wall + 0.13, height + 0.06])
    if low:
        end = np.array([rng.uniform(0.2, 0.32), canvas.geometry.base[sign] - rng.uniform(0.02, 0.1)])
        middle = np.array([rng.uniform(0.35, 0.5), height - 0.12])
    else:
        end = np.array([rng.uniform(0.22, 0.36), rng.uniform(-0.5, -0.22)])
        middle = np.array([rng.uniform(0.28, 0.42), height + 0.02])
    t = np.linspace(0.0, 1.0, 13)[:, None]
    path = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    distance = polyline(canvas.u * np.float32(sign), canvas.v, path)
    blend(canvas.density, soft(0.024 - distance, 0.016) * 0.95, 0.97)
    canvas.density -= 0.10 * soft(0.007 - distance, 0.012)
    return distance < 0.025
