"""The picture of a mask field that a ControlNet and a reader see: colours of structures, and which is painted over which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scripts.lib.core.errors import InputError

PAINT_ORDER = (
    *("lungs", "heart", "cardiomegaly", "emphysema", "fibrosis", "pneumonia", "consolidation", "atelectasis"),
    *(
        "pleural_effusion",
        "pneumothorax",
        "pleural_thickening",
        "nodule",
        "calcification",
        "rib_fracture",
        "chest_tube",
    ),
)
PALETTE: dict[str, tuple[int, int, int]] = {
    "lungs": (0, 128, 255),
    "heart": (255, 64, 64),
    "pneumonia": (255, 144, 0),
    "pneumothorax": (255, 224, 0),
    "rib_fracture": (0, 224, 96),
    "chest_tube": (255, 0, 255),
    "cardiomegaly": (255, 96, 160),
    "consolidation": (160, 255, 96),
    "atelectasis": (192, 128, 255),
    "pleural_effusion": (0, 255, 255),
    "nodule": (255, 255, 160),
    "calcification": (255, 255, 255),
    "emphysema": (96, 96, 255),
    "fibrosis": (160, 128, 64),
    "pleural_thickening": (0, 160, 160),
}


def conditioning_image(
    bits: np.ndarray,
    structures: Sequence[str],
    palette: str | Mapping[str, Sequence[int]] = "colour",
    only: str | None = None,
) -> np.ndarray:
    """Return the picture of a mask field, uint8 (..., H, W, 3), from bit fields `bits`, uint8 (..., H, W).

    `palette`: "colour" (PALETTE), a mapping of structure to RGB in 0..255, or "binary": white on black for the one
    structure `only` (default: pneumothorax where annotated, else the first), the form of the paper's first author.
    Structures are painted in PAINT_ORDER, later ones over earlier ones; no structure is black, which means absent.
    """
    names = list(structures)
    if palette == "binary":
        chosen = only or next((name for name in ("pneumothorax", *names) if name in names), None)
        if chosen not in names:
            raise InputError(f"conditioning image: no structure {chosen!r} in this cohort; it has {names}")
        colours: Mapping[str, Sequence[int]] = {chosen: (255, 255, 255)}
        names_painted = [chosen]
    else:
        colours = _colours(palette, names)
        names_painted = [name for name in painted(names) if only in (None, name)]
    codes = np.arange(256)
    table = np.zeros((256, 3), np.uint8)
    for name in names_painted:
        table[(codes >> names.index(name)) & 1 == 1] = colours[name]
    return table[bits]


def painted(structures: Sequence[str]) -> list[str]:
    """Return the structures in the order in which they are painted; names outside PAINT_ORDER come last."""
    rank = {name: order for order, name in enumerate(PAINT_ORDER)}
    return sorted(structures, key=lambda name: rank.get(name, len(PAINT_ORDER)))


def _colours(palette: str | Mapping[str, Sequence[int]], names: Sequence[str]) -> Mapping[str, Sequence[int]]:
    if palette == "colour":
        palette = PALETTE
    if not isinstance(palette, Mapping):
        raise InputError(f"palette {palette!r}: expected 'colour', 'binary', or a mapping of structure to [r, g, b]")
    for name in names:
        colour = palette.get(name)
        if colour is None:
            raise InputError(f"palette: no colour for structure {name!r}; add {name}: [r, g, b]")
        if len(colour) != 3 or not all(0 <= part <= 255 for part in colour) or not any(colour):
            raise InputError(f"palette: {name}: {list(colour)}; expected three numbers in 0..255, not black (= absent)")
    return palette
