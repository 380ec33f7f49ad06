"""The frontal chest without findings: where lungs, heart and bones lie, and how dense each looks.

Body coordinates: u rightwards from the midline (the patient's left is u > 0), v downwards, in half image widths.
Density is 0 for air to 1 for metal; a film shows dense parts bright.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np

from scripts.lib.phantom.shapes import Array, blend, bump, ellipse, soft, texture
from scripts.lib.phantom.spec import Patient

AIR, LUNG, SOFT_TISSUE, HEART, ABDOMEN = 0.03, 0.30, 0.52, 0.74, 0.72


@dataclass
class Geometry:
    """The chest of one film: the patient's build plus breathing, view and what findings push around."""

    lung_width: float
    lung_top: float
    base: dict[int, float]
    apex_power: float
    dome: float
    heart_ratio: float
    heart_tilt: float
    shift: float = 0.0


def geometry_of(patient: Patient, view: str, rng: np.random.Generator) -> Geometry:
    """Return the geometry of a film without findings; an AP film has a larger heart and a shallower breath."""
    breath = rng.uniform(-0.05, 0.04) - (0.04 if view == "AP" else 0.0)
    base = patient.lung_base + breath
    ratio = patient.heart_ratio * (1.06 if view == "AP" else 1.0)
    return Geometry(
        lung_width=patient.lung_width + 0.3 * breath,
        lung_top=patient.lung_top,
        base={1: base + 0.025, -1: base - 0.025},
        apex_power=patient.apex_power,
        dome=patient.dome,
        heart_ratio=ratio,
        heart_tilt=patient.heart_tilt,
    )


def lateral_wall(geometry: Geometry, v: Array) -> Array:
    """Return the distance of the inner chest wall from the midline at height `v`."""
    widest = 0.22
    up = np.clip((widest - v) / np.float32(widest - geometry.lung_top), 0.0, 1.0)
    down = np.clip((v - widest) * np.float32(2.0), 0.0, 1.0)
    profile = np.sqrt(np.maximum(1.0 - up ** np.float32(geometry.apex_power), 0.0))
    return np.float32(geometry.lung_width) * (profile - 0.05 * down * down)


def diaphragm(geometry: Geometry, us: Array, sign: int) -> Array:
    """Return the height v of the diaphragm on one side; `us` is the distance from the midline."""
    off = (us - np.float32(0.33)) * np.float32(1 / 0.33)
    fall = np.where(us > 0.33, np.float32(geometry.dome), np.float32(0.4 * geometry.dome))
    return np.float32(geometry.base[sign]) + fall * off * off


def lung_distance(geometry: Geometry, u: Array, v: Array, sign: int) -> Array:
    """Return the signed distance to the border of one lung (the heart not yet cut out), positive inside."""
    us = u * np.float32(sign)
    hilum = np.float32(0.045) * np.exp(-(((v + 0.05) * np.float32(5.0)) ** 2))
    inner = us - (0.105 + hilum + np.float32(geometry.shift * sign))
    return np.minimum(inner, chest_distance(geometry, u, v, sign))


def chest_distance(geometry: Geometry, u: Array, v: Array, sign: int) -> Array:
    """Return the signed distance to the chest wall and the diaphragm of one side, positive inside."""
    us = u * np.float32(sign)
    return np.minimum(lateral_wall(geometry, v) - us, diaphragm(geometry, us, sign) - v)


def heart_distance(geometry: Geometry, u: Array, v: Array) -> Array:
    """Return the signed distance to the heart's border; its width is `heart_ratio` of the inner chest width."""
    width = geometry.heart_ratio * 2.0 * geometry.lung_width
    tilt = geometry.heart_tilt
    long = 0.5 * width / np.sqrt(np.cos(tilt) ** 2 + (0.74 * np.sin(tilt)) ** 2)
    short = 0.74 * long
    height = np.sqrt((long * np.sin(tilt)) ** 2 + (short * np.cos(tilt)) ** 2)
    base = 0.75 * geometry.base[1] + 0.25 * geometry.base[-1]
    centre = (0.16 * width + geometry.shift, base + 0.07 - 0.90 * height)
    body = ellipse(u, v, centre, (long, short), tilt)
    return np.minimum(body, np.float32(base + 0.11) - v)


def body_distance(patient: Patient, u: Array, v: Array) -> Array:
    """Return the signed distance to the outline of trunk and shoulders (arms hang outside the film)."""
    trunk = np.float32(patient.lung_width + 0.13 + 0.09 * patient.fat) - np.abs(u) + 0.05 * v
    top = -0.80 + 0.5 * (1.0 - patient.shoulder)
    slope = v - (np.float32(top) + 0.16 * (np.abs(u) - 0.2) ** 2)
    shoulders = np.minimum(slope, np.float32(1.02 + 0.1 * patient.fat) - np.abs(u) - 0.55 * np.maximum(v + 0.15, 0.0))
    neck = np.minimum(0.22 - np.abs(u) + 0.10 * (v + 0.9), 0.2 - v)
    return np.maximum(np.maximum(np.minimum(trunk, slope), shoulders), neck)


def soft_parts(patient: Patient, geometry: Geometry, u: Array, v: Array) -> Array:
    """Return the density of trunk, mediastinum and great vessels before the lungs are cut in."""
    inside = body_distance(patient, u, v)
    density = AIR + (SOFT_TISSUE + 0.08 * patient.fat - AIR) * soft(inside - 0.03, 0.10)
    pedicle = 0.125 + 0.04 * patient.aorta - np.abs(u - np.float32(0.5 * geometry.shift)) + 0.03 * v
    blend(density, soft(pedicle, 0.05) * soft(v + 0.78, 0.3), HEART - 0.05)
    return density


def thymus_parts(density: Array, patient: Patient, geometry: Geometry, u: Array, v: Array) -> None:
    """Add a small child's thymus over the upper lungs in place: a soft sail on both sides of the midline, larger on the right."""
    if not patient.thymus:
        return
    for sign, share in ((-1, 1.0), (1, 0.75)):
        width = float(np.float32(0.10 + 0.17 * share * patient.thymus))
        sail = ellipse(u * np.float32(sign), v, (0.06 + sign * geometry.shift, -0.36), (width, 0.20))
        blend(density, soft(sail, 0.05) * 0.75, HEART - 0.12)


def lung_parts(density: Array, lungs: Array, u: Array, v: Array, vessels: Array, patient: Patient) -> None:
    """Cut the aerated lungs into `density` in place: air, the hila, and vessels that thin out towards the wall."""
    air = LUNG + 0.05 * patient.fat - 0.05 * patient.emphysema + 0.03 * v
    hila = bump(np.abs(u), v, (0.19, -0.02), (0.08, 0.14))
    content = air + 0.15 * hila + vessels * (0.028 + 0.05 * hila)
    blend(density, lungs, content)


def midline_parts(density: Array, geometry: Geometry, patient: Patient, u: Array, v: Array) -> None:
    """Add heart-level soft parts over the lungs in place: aortic knob, trachea, spine, abdomen with a stomach bubble."""
    knob = ellipse(u, v, (0.115 + geometry.shift, -0.33), (0.07 + 0.03 * patient.aorta, 0.085))
    blend(density, soft(knob, 0.07) * 0.9, HEART - 0.06)
    windpipe = soft(0.042 - np.abs(u - np.float32(0.7 * geometry.shift)), 0.03) * soft(-0.26 - v, 0.12)
    density -= 0.13 * windpipe
    spine = soft(0.075 - np.abs(u), 0.04)
    density += spine * (0.035 + 0.02 * np.cos(v * np.float32(42.0)))
    left = np.abs(u - 0.33)
    bubble = ellipse(u, v, (0.33, geometry.base[1] + 0.15), (0.10, 0.055))
    density -= 0.14 * soft(bubble, 0.06) * (left < 0.3) * np.float32(patient.rib_phase > 0.4)


def abdomen_parts(density: Array, geometry: Geometry, u: Array, v: Array) -> None:
    """Fill the space under both domes of the diaphragm in place."""
    left, right = diaphragm(geometry, u, 1), diaphragm(geometry, -u, -1)
    share = soft(u, 0.12)
    dome = left * share + right * (1.0 - share)
    inside = np.minimum(v - dome, lateral_wall(geometry, v) + 0.03 - np.abs(u))
    blend(density, soft(inside, 0.025), ABDOMEN)


def ribs(patient: Patient, geometry: Geometry, u: Array, v: Array) -> Array:
    """Return the extra density of the ribs: back arcs that fall towards the wall, front ends that fall to the midline."""
    us = np.abs(u)
    cage = soft(lateral_wall(geometry, v) + 0.035 - us, 0.03) * soft(us - 0.07, 0.05) * soft(0.62 - v, 0.3)
    back = np.cos((v - rib_bend(patient, us)) * np.float32(2 * np.pi / patient.rib_spacing))
    front = np.cos(
        (v + 0.62 * us * us) * np.float32(2 * np.pi / (1.15 * patient.rib_spacing)) + patient.rib_phase * 6.28
    )
    pattern = 0.085 * soft(back - 0.35, 0.8) + 0.045 * soft(front - 0.45, 0.7) * soft(us - 0.3, 0.2)
    rim = 0.10 * np.exp(-(((lateral_wall(geometry, v) + 0.02 - us) * np.float32(30.0)) ** 2))
    return cage * (pattern + rim)


@overload
def rib_bend(patient: Patient, us: float) -> float: ...
@overload
def rib_bend(patient: Patient, us: Array) -> Array: ...
def rib_bend(patient: Patient, us: Array | float) -> Array | float:
    """Return how far a back rib has moved in v at distance `us` from the midline, its first crest at v = phase."""
    return patient.rib_slope * us * us + patient.rib_phase * patient.rib_spacing


def collar_bones(patient: Patient, u: Array, v: Array, lift: float) -> Array:
    """Return the extra density of clavicles, shoulder blades and upper arms; `lift` raises the clavicles (AP view)."""
    us = np.abs(u)
    line = v - (-0.50 - lift - 0.22 * us + 0.10 * np.cos(us * 6.0) * 0.5)
    clavicle = soft(0.026 - np.abs(line), 0.02) * soft(us - 0.08, 0.04) * soft(0.78 - us, 0.06)
    blade = soft(ellipse(us, v, (0.80, -0.18), (0.11, 0.32), -0.25), 0.05)
    arm = soft(ellipse(us, v, (0.93, -0.52), (0.12, 0.14)), 0.05)
    return 0.13 * clavicle + (0.05 + 0.8 * max(lift, 0.0)) * blade + 0.12 * arm


def breasts(patient: Patient, u: Array, v: Array) -> Array:
    """Return the extra density of breast tissue over the lower lungs."""
    fold = ellipse(np.abs(u), v, (0.40, 0.20), (0.30, 0.26))
    return np.float32(0.085 * patient.breast) * soft(fold, 0.12)


def vessel_field(u: Array, v: Array, rng: np.random.Generator) -> Array:
    """Return the random lung markings of a film, mean about 0: streaks that run outwards from both hila, and grain."""
    across, down = np.abs(u) - np.float32(0.13), v + np.float32(0.02)
    angle = np.arctan2(down, across) * np.float32(0.5 / np.pi) + np.float32(0.5)
    radius = np.minimum(np.sqrt(across * across + down * down), np.float32(0.999))
    table = np.concatenate([texture(rng, 128, 44, 7), texture(rng, 128, 44, 7)])
    row = (angle * 127.99).astype(np.intp) + 128 * (u > 0)
    streaks = table[row, (radius * 127.99).astype(np.intp)]
    return 1.1 * streaks * soft(radius - 0.06, 0.10) + 0.35 * texture(rng, u.shape[0], 40)
