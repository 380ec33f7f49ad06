"""What looks like pleural air and is not: bullae of emphysema and folds of skin.

Without them a model learns "dark beside the wall is pneumothorax" from a handful of films. Neither leaves a mask or a label.
"""

from __future__ import annotations

import numpy as np

from scripts.lib.phantom.findings import PLEURAL_AIR, Canvas
from scripts.lib.phantom.shapes import blend, ellipse, soft

BULLA_ZONES = ((-0.55, -0.25), (-0.55, -0.25), (0.10, 0.40))  # two of three lie in the upper zone


def bullae(canvas: Canvas) -> None:
    """Draw dark bubbles with a thin wall, mostly near the apex, in the lungs of a patient with emphysema."""
    rng, extent = canvas.rng, canvas.patient.emphysema
    if not extent:
        return
    for sign in (1, -1):
        for _ in range(int(rng.integers(0, 2 + round(2 * extent)))):
            low, high = BULLA_ZONES[int(rng.integers(len(BULLA_ZONES)))]
            centre = (sign * rng.uniform(0.20, 0.50), rng.uniform(low, high))
            radius = 0.06 + 0.10 * extent * rng.random()
            inside = ellipse(
                canvas.u, canvas.v, centre, (radius, radius * rng.uniform(0.9, 1.5)), rng.uniform(-0.6, 0.6)
            )
            lung = canvas.lung(sign)
            blend(
                canvas.density, lung * soft(inside, 0.04) * rng.uniform(0.6, 1.0), PLEURAL_AIR + rng.uniform(0.01, 0.06)
            )
            blend(canvas.density, lung * soft(0.009 - np.abs(inside), 0.012) * 0.5, 0.45)


def skin_fold(canvas: Canvas, share: float) -> None:
    """Draw, in a `share` of films, the edge of a fold of the back's skin: a step of density with lung on both sides.

    Bright towards the midline and sharp towards the wall, like a pleural line; but vessels go on beyond it.
    """
    rng = canvas.rng
    if rng.random() >= share:
        return
    sign = 1 if rng.random() < 0.5 else -1
    us = canvas.u * np.float32(sign)
    edge = rng.uniform(0.36, 0.52) + rng.uniform(-0.15, 0.2) * canvas.v + rng.uniform(-0.2, 0.1) * canvas.v**2 - us
    ends = soft(canvas.v + rng.uniform(0.35, 0.7), 0.2) * soft(rng.uniform(0.2, 0.5) - canvas.v, 0.2)
    fold = soft(edge, 0.012) * np.exp(-np.maximum(edge, 0.0) * np.float32(1.0 / rng.uniform(0.05, 0.14)))
    canvas.density += ends * fold * np.float32(rng.uniform(0.08, 0.18)) * canvas.lung(sign)
