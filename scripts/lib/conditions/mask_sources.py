"""The masks of a subset that conditions may be made from: what each shows, on which side, and its hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.conditions.masks import side_of
from scripts.lib.conditions.subset import Subset
from scripts.lib.core.errors import InputError

CHUNK = 256  # masks read at once: 64 MB at 512 pixels
ANY, WITHOUT = 0, -1  # what a row asks of its mask besides "structure number c", written c + 1


@dataclass(frozen=True)
class MaskSources:
    """Source masks of the films that a trial learns from, in their order, arrays (n,): `present` = bits of what each shows.

    `side` (n, structures) is the side of each target structure, else None; `targets` = bits of the task's structures.
    """

    image_id: np.ndarray
    sha256: np.ndarray
    present: np.ndarray
    side: np.ndarray
    structures: list[str]
    targets: int
    size: int
    hint: str

    def take(self, needs: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return a source number for each row of `needs`, int (r,): the fitting ones in turn, in one random order.

        Raises InputError when no mask fits a need.
        """
        chosen = np.empty(len(needs), dtype=int)
        shuffled = generator.permutation(len(self.image_id))
        for need in np.unique(needs):
            fits = self._fits(int(need))
            sources = shuffled[fits[shuffled]]
            rows = np.flatnonzero(needs == need)
            if not len(sources):
                raise InputError(self._complaint(int(need)))
            chosen[rows] = sources[np.arange(len(rows)) % len(sources)]
        return chosen

    def positive_share(self) -> tuple[float, bool]:
        """Return the share of the films whose mask shows the target, and whether any other film has a mask to make one of.

        A film whose mask shows nothing at all, neither the target nor lungs, is no source.
        """
        return float((self.present & self.targets != 0).mean()), bool(self._fits(WITHOUT).any())

    def shows(self, name: str) -> bool:
        """Whether any of these masks shows a structure; a name that is no structure needs no mask of its own."""
        return name not in self.structures or bool(self._fits(self.structures.index(name) + 1).any())

    def _fits(self, need: int) -> np.ndarray:
        if need == ANY:
            return self.present != 0
        if need == WITHOUT:
            return (self.present != 0) & (self.present & self.targets == 0)
        return (self.present >> (need - 1)) & 1 == 1

    def _complaint(self, need: int) -> str:
        if need > 0:
            name, films = self.structures[need - 1], len(self.image_id)
            return f"no mask of {name} in the subset ({films} films that are learned from); {self.hint}"
        if need == WITHOUT:
            return (
                "no film of the subset has a mask without the target structure, so none can be made without it; "
                "set conditions.positive_share to 1 and normal_share to 0, or annotate other structures"
            )
        return (
            f"all masks of the {len(self.image_id)} films that are learned from are empty; use conditions of kind text"
        )


def needs_structures(label: np.ndarray, targets: Sequence[str], structures: Sequence[str]) -> np.ndarray:
    """Return what each row asks of its mask, int (r,): its label's structure + 1, ANY, or WITHOUT the targets.

    `label` numbers `targets`, len(targets) = a film without finding. A disease that is no structure takes any mask.
    """
    table = [structures.index(name) + 1 if name in structures else ANY for name in targets]
    return np.array([*table, WITHOUT if any(table) else ANY])[label]


def read_sources(subset: Subset, targets: Sequence[str]) -> MaskSources:
    """Read the masks of the films that a trial learns from; raises InputError when the cohort has none."""
    cohort, rows = subset.cohort, subset.learned
    if not cohort.has_masks:
        raise InputError("this cohort has no masks, so it has no conditions of kind mask or both; use kind text")
    drawn = [name for name in targets if name in cohort.structures]
    stored = cohort.index["mask_sha256"].iloc[rows] if "mask_sha256" in cohort.index else pd.Series(pd.NA, rows)
    hashes = stored.astype(object).where(stored.notna(), None).tolist()
    present = np.zeros(len(rows), dtype=np.uint8)
    side = np.full((len(rows), len(cohort.structures)), None, dtype=object)
    for first in range(0, len(rows), CHUNK):
        for number, field in enumerate(cohort.masks(rows[first : first + CHUNK]), start=first):
            present[number] = np.bitwise_or.reduce(field, axis=None)
            for name in drawn:
                side[number, cohort.structures.index(name)] = _side(field, cohort.structures, name)
            hashes[number] = hashes[number] or pixels_sha256(field)
    bits = sum(cohort.bit(name) for name in drawn)
    return MaskSources(
        cohort.index["image_id"].iloc[rows].to_numpy(dtype=object),
        np.array(hashes, dtype=object),
        present,
        side,
        cohort.structures,
        bits,
        cohort.resolution,
        "" if (present & bits).any() or not bits else _hint(subset, bits),
    )


def _side(field: np.ndarray, structures: list[str], name: str) -> str | None:
    lungs = (field >> structures.index("lungs")) & 1 == 1 if "lungs" in structures else None
    return side_of((field >> structures.index(name)) & 1 == 1, lungs)


def _hint(subset: Subset, bits: int) -> str:
    """Return what to do where a subset holds no target mask: the smallest fraction that does."""
    cohort, trial = subset.cohort, subset.trial
    train = cohort.rows(split="train")
    shows = np.zeros(len(cohort), dtype=int)
    for first in range(0, len(train), CHUNK):
        part = train[first : first + CHUNK]
        shows[part] = ((cohort.masks(part) & bits) != 0).any(axis=(1, 2))
    smallest = subset.smallest_with(shows)
    if smallest is None:
        return "no training film has one"
    if float(smallest) <= subset.fraction:
        return f"those of trial {trial} are set aside for validation: lower trials.validation_share or raise trials.validation_patients"
    return f"fraction {subset.fraction:g} is too small in trial {trial}: the smallest usable fraction is {smallest}"
