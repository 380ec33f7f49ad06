"""Films that are blurred, each by a width of its own, so that a model cannot learn how sharp the films of a class are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from scripts.lib.core.seeds import content_hash
from scripts.lib.downstream.data import Films
from scripts.lib.fidelity.chosen import hashes


@dataclass(frozen=True)
class BlurredFilms(Films):
    """Films blurred by a Gaussian; `widths` (n,) in pixels. A film is blurred alike each time that it is read."""

    widths: np.ndarray

    def images(self, places: np.ndarray) -> np.ndarray:
        """Return the blurred images at these places, uint8 (b, H, W)."""
        films = super().images(places)
        for place, width in enumerate(self.widths[places]):
            films[place] = np.rint(ndimage.gaussian_filter(films[place].astype(np.float32), width, mode="nearest"))
        return films

    def take(self, places: np.ndarray) -> BlurredFilms:
        """Return the films at these places, blurred as they were."""
        return replace(self, widths=self.widths[places], **self._taken(places))

    def digest(self) -> str:
        """Return a hash of pixels, targets and widths."""
        return content_hash(super().digest(), self.widths.tolist())


def blurred(films: Films, widest: float) -> Films:
    """Return films blurred by 0 to `widest` pixels, by the hash of their identifiers; 0 leaves them as they are."""
    if not widest:
        return films
    names = films.cohort.index["image_id"].iloc[films.rows].tolist()
    shares = hashes(names, "blur").astype(np.float64) / 2.0**64
    return BlurredFilms(
        films.cohort,
        films.rows,
        films.labels,
        films.structures,
        shares * widest,
        known=films.known,
        outlines=films.outlines,
    )
