"""A study under other seeds: which seeds, where the results of each lie, and the configuration that its Snakemake reads.

The study's own seed is the study itself, below results/. Each other seed has a folder below results/seeds with results/ of its
own. The Snakefile imports this module: standard library only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import REAL
from scripts.lib.study.cells import Cell
from scripts.lib.study.firewall import Firewall
from scripts.lib.study.paths import path_keys
from scripts.lib.study.sources import PHANTOM, made_here
from scripts.lib.study.study import LOCAL, Study

DIFFERENCES = "results/tables/differences.csv"
OUTER = "../.."  # results/ of the study, seen from the folder of a seed


class Replication:
    """The seeds of a study and what they share."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config
        self.seeds: list[int] = self.config["replication"]["seeds"]

    def table(self, seed: int) -> str:
        """Return the differences of one seed."""
        return DIFFERENCES if seed == self.study.seed else f"results/seeds/seed-{seed}.csv"

    def tables(self) -> list[str]:
        """Return the differences of all seeds. Raises InputError where there is nothing to compare."""
        if self.config["replication"]["films"] is not None:
            raise InputError("replication.films is set, so this is the folder of one seed; replicate the study itself")
        if len(self.seeds) < 2:
            raise InputError(f"replication.seeds: {self.seeds}: expected two seeds or more, for example SEEDS='1 2 3'")
        return [self.table(seed) for seed in self.seeds]

    def named_tables(self) -> list[str]:
        """Return the same as options of a command: SEED=PATH."""
        return [f"{seed}={path}" for seed, path in zip(self.seeds, self.tables(), strict=True)]

    def real_datasets(self) -> list[str]:
        """Return the datasets of real films that the study's trials depend on: each film is decoded once for all seeds."""
        cells = self.study.cells(self.study.datasets, [REAL, *self.study.arms], self.study.fractions)
        firewall = Firewall(self.study)
        used = dict.fromkeys(
            name
            for cell in cells
            for name in firewall.datasets(Cell(self.study.store(cell.dataset), cell.arm, cell.fraction))
        )
        return [name for name in used if self.config["datasets"][name]["root"] != PHANTOM]

    def indices(self) -> list[str]:
        """Return the indices of their cohorts, for which every seed waits."""
        return [f"results/{name}/cohort/index.parquet" for name in self.real_datasets()]

    def settings(self, seed: int) -> dict[str, Any]:
        """Return the configuration of one seed, whole, so that it can be read from that seed's folder."""
        own = _from_anywhere({key: value for key, value in self.config.items() if key != "replication"})
        own["study"]["seed"] = seed
        return {**own, "replication": {"films": OUTER}}

    def decoded(self, dataset: str) -> list[str]:
        """Return the cohort whose decoded films a dataset takes over; none where its films are drawn or decoded here."""
        place, real = self.config["replication"]["films"], self.config["datasets"][dataset]["root"] != PHANTOM
        return [f"{place}/{dataset}/cohort"] if place and real else []


def _from_anywhere(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with relative paths made absolute; those below results/ are every seed's own."""
    own = copy.deepcopy(dict(config))
    for section, key, base in list(path_keys(own)):
        value = section.get(key)
        if base or not isinstance(value, str) or made_here(value):
            continue
        kind = LOCAL if value.startswith(LOCAL) else ""
        path = Path(value.removeprefix(kind))
        if path.exists() and value != PHANTOM:
            section[key] = f"{kind}{path.absolute()}"
    return own
