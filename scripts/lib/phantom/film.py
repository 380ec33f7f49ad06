"""Draw one film: anatomy, findings, exposure; the masks and boxes come from the same curves as the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.lib.phantom import anatomy, findings, lateral, mimics
from scripts.lib.phantom.shapes import Array, bounding_box, grid, soft
from scripts.lib.phantom.spec import STRUCTURES, Film, FilmSpec

SKIN_FOLDS = {"PA": 0.10, "AP": 0.35}  # share of films; patients who lie have more
Masks = dict[str, NDArray[np.bool_]]
Areas = list[tuple[str, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Pose:
    """How the patient stands: rotation in radians, shift in half image widths, zoom."""

    turn: float
    shift: tuple[float, float]
    zoom: float


def draw_pose(rng: np.random.Generator, view: str) -> Pose:
    """Return a random pose; bedside (AP) films are turned and shifted more."""
    loose = 1.5 if view == "AP" else 1.0
    turn = float(np.clip(rng.normal(0.0, 0.028 * loose), -0.12, 0.12))
    shift = (float(rng.normal(0.0, 0.022 * loose)), float(rng.normal(0.03, 0.025)))
    return Pose(turn, shift, float(rng.uniform(0.95, 1.06)))


def body_grid(size: int, pose: Pose) -> tuple[Array, Array]:
    """Return body coordinates u, v of every pixel, each (size, size) float32."""
    x, y = grid(size)
    cos, sin = np.float32(np.cos(pose.turn) / pose.zoom), np.float32(np.sin(pose.turn) / pose.zoom)
    dx, dy = x - np.float32(pose.shift[0]), y - np.float32(pose.shift[1])
    return dx * cos + dy * sin, dy * cos - dx * sin


def expose(density: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn density into 8-bit grey values: tone curve, uneven beam, blur, detector noise, side marker."""
    size = density.shape[0]
    x, y = grid(size)
    gamma, gain, lift = rng.uniform(0.80, 1.25), rng.uniform(0.90, 1.08), rng.uniform(-0.015, 0.03)
    light = np.clip(density, 0.0, 1.1) ** np.float32(gamma)
    light *= np.float32(gain) * (1.0 + np.float32(rng.normal(0, 0.04)) * x + np.float32(rng.normal(0, 0.05)) * y)
    light += rng.standard_normal(light.shape, dtype=np.float32) * np.float32(rng.uniform(0.008, 0.028))
    blur = np.float32(rng.uniform(0.05, 0.22))
    for axis in (0, 1):
        light += blur * (0.5 * (np.roll(light, 1, axis) + np.roll(light, -1, axis)) - light)
    if rng.random() < 0.25:
        corner = round(size * rng.uniform(0.03, 0.08))
        mark = max(2, size // 24)
        light[corner : corner + mark, size - corner - mark : size - corner] = 0.92
    return np.clip((light + np.float32(lift)) * 255.0 + 0.5, 0.0, 255.0).astype(np.uint8)


def draw_frontal(spec: FilmSpec, size: int, rng: np.random.Generator) -> Film:
    """Draw a PA or AP film of `spec` at (size, size)."""
    u, v = body_grid(size, draw_pose(rng, spec.view))
    patient = spec.patient
    geometry = anatomy.geometry_of(patient, spec.view, rng)
    findings.deform(geometry, spec.findings, rng)
    heart = anatomy.heart_distance(geometry, u, v)
    lungs = {sign: anatomy.lung_distance(geometry, u, v, sign) for sign in (1, -1)}
    sides = {name: (lungs[sign] > 0) & (heart <= 0) for name, sign in (("left", 1), ("right", -1))}
    density = anatomy.soft_parts(patient, geometry, u, v)
    vessels = anatomy.vessel_field(u, v, rng)
    anatomy.lung_parts(density, soft(np.maximum(lungs[1], lungs[-1]), 0.03), u, v, vessels, patient)
    canvas = findings.Canvas(u, v, density, lungs, geometry, patient, rng)
    mimics.bullae(canvas)
    mimics.skin_fold(canvas, SKIN_FOLDS[spec.view])
    masks = {name: np.zeros((size, size), dtype=bool) for name in STRUCTURES}
    air = spec.finding("pneumothorax")
    if air:
        masks["pneumothorax"] = findings.pneumothorax(canvas, air) & (heart <= 0)
    anatomy.blend(density, soft(heart, 0.035), anatomy.HEART)
    anatomy.abdomen_parts(density, geometry, u, v)
    anatomy.thymus_parts(density, patient, geometry, u, v)
    anatomy.midline_parts(density, geometry, patient, u, v)
    areas: Areas = []
    boxes = draw_opacities(canvas, spec, masks, areas)
    draw_bones(canvas, spec, masks)
    draw_tube(canvas, spec, masks)
    masks["heart"] = heart > 0
    masks["lungs"] = sides["left"] | sides["right"]
    return Film(expose(density, rng), masks, sides, boxes, spec.findings, areas)


def draw_opacities(
    canvas: findings.Canvas, spec: FilmSpec, masks: Masks, areas: Areas
) -> list[tuple[int, int, int, int]]:
    """Draw the bright findings in place, add their `areas`, and return the boxes of pneumonia; fluid displaces pleural air."""
    boxes = []
    for finding in spec.findings:
        if finding.name == "atelectasis":
            areas.append((finding.name, findings.atelectasis(canvas, finding)))
        elif finding.name == "consolidation":
            areas.append((finding.name, findings.consolidation(canvas, finding)))
        elif finding.name == "edema":
            findings.edema(canvas, finding)
        elif finding.name == "pleural effusion":
            areas.append((finding.name, findings.pleural_effusion(canvas, finding)))
            masks["pneumothorax"] &= ~areas[-1][1]
        elif finding.name == "pneumonia":
            edges = (bounding_box(area) for area in findings.pneumonia(canvas, finding))
            boxes = [box for box in edges if box is not None]
    return boxes


def draw_bones(canvas: findings.Canvas, spec: FilmSpec, masks: Masks) -> None:
    """Draw ribs, clavicles, shoulders and breasts in place, then the fracture."""
    lift = 0.06 if spec.view == "AP" else 0.0
    canvas.density += anatomy.ribs(spec.patient, canvas.geometry, canvas.u, canvas.v)
    canvas.density += anatomy.collar_bones(spec.patient, canvas.u, canvas.v, lift)
    canvas.density += anatomy.breasts(spec.patient, canvas.u, canvas.v)
    fracture = spec.finding("rib fracture")
    if fracture:
        masks["rib_fracture"] = findings.rib_fracture(canvas, fracture)


def draw_tube(canvas: findings.Canvas, spec: FilmSpec, masks: Masks) -> None:
    """Draw the chest tube in place: low for an effusion, up to the apex otherwise."""
    tube = spec.finding("chest tube")
    if tube:
        masks["chest_tube"] = findings.chest_tube(canvas, tube, low=spec.finding("pleural effusion") is not None)


def draw_film(spec: FilmSpec, size: int, rng: np.random.Generator) -> Film:
    """Draw the film of `spec` at (size, size) pixels; the same spec, size and stream give the same bytes."""
    if size < 32:
        raise ValueError(f"film size {size} is too small, expected at least 32 pixels")
    return lateral.draw_lateral(spec, size, rng, expose) if spec.view == "LATERAL" else draw_frontal(spec, size, rng)
