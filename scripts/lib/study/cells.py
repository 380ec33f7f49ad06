"""What a study runs: a cell is a dataset, an arm and a fraction; which of them there are, and with which multipliers.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import REAL, Arm, arm_of
from scripts.lib.study.shared import stores_of


class AnyCell(Protocol):
    """What names a cell: class Cell, or the wildcards of a job."""

    @property
    def dataset(self) -> str: ...

    @property
    def arm(self) -> str: ...

    @property
    def fraction(self) -> str: ...


@dataclass(frozen=True)
class Cell:
    """A dataset, an arm and a fraction, the fraction as paths write it: 0.1, 1."""

    dataset: str
    arm: str
    fraction: str


def cell_of(section: Mapping[str, Any]) -> Cell:
    """Return the cell that a section {dataset, arm, fraction} of the configuration names."""
    return Cell(section["dataset"], section["arm"], f"{section['fraction']:g}")


class Cells:
    """The cells of a study, made from its resolved configuration. Methods raise InputError, one line, for what it does not have."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        own = config["study"]
        self.config = config
        self.datasets: list[str] = own["datasets"]
        self.stores = stores_of(config, self.datasets)
        self.foundation: list[str] = own["foundation"]
        self.generator_dataset: str = own["generator_dataset"]
        self.arms: list[str] = own["arms"]
        self.fractions = [f"{fraction:g}" for fraction in own["fractions"]]
        extra = [f"{fraction:g}" for fraction in own.get("real_fractions", [])]
        self.real_fractions = [fraction for fraction in extra if fraction not in self.fractions]
        self.trials: int = own["trials"]
        self.seed: int = own["seed"]
        self.resolution: int = own["resolution"]

    @cached_property
    def _arms(self) -> dict[str, Arm]:
        return {name: arm_of(self.config, name) for name in (REAL, *self.config["arms"])}

    def arm(self, name: str) -> Arm:
        """Return an arm of the configuration, or `real`."""
        return self._arms.get(name) or arm_of(self.config, name)

    def multipliers_of(self, fraction: str) -> list[int]:
        """Return all multipliers of a fraction."""
        known = self.config["study"]["multipliers"]
        if fraction not in known:
            raise InputError(
                f"config: study.multipliers: no list for fraction {fraction}; there are {', '.join(known)}"
            )
        return known[fraction]

    def multipliers(self, cell: AnyCell) -> list[int]:
        """Return the multipliers that a cell's trials run: 0 belongs to the arm `real`, the others to the synthetic arms."""
        wanted = self.config["study"]["multipliers"].get(cell.fraction, [])
        if cell.fraction in self.real_fractions:
            wanted = [0]
        return self.arm(cell.arm).multipliers(wanted, float(cell.fraction))

    def runs(self, cell: AnyCell) -> bool:
        """Whether the study runs a cell: the arm's key `cells` has it, and the fraction has multipliers for it."""
        return self.arm(cell.arm).covers(cell.dataset, cell.fraction) and bool(self.multipliers(cell))

    def cells(self, datasets: Sequence[str], arms: Sequence[str], fractions: Sequence[str]) -> list[Cell]:
        """Return those cells of these that the study runs, by dataset, arm and fraction."""
        every = (Cell(name, arm, fraction) for name in datasets for arm in arms for fraction in fractions)
        return [cell for cell in every if self.runs(cell)]
