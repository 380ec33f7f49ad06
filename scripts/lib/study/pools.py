"""Where a study's films, and the pools of images made of them, lie; several datasets may share both (study/shared.py).

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from scripts.lib.study.cells import AnyCell, Cells
from scripts.lib.study.config import stage
from scripts.lib.study.shared import store_of

COHORT_FILES = ("images.npy", "masks.npy", "index.parquet", "cohort.json")  # of a cohort, and of each shard of a pool


class Pools(Cells):
    """The cells of a study with their films and pools."""

    # Films

    def store(self, dataset: str) -> str:
        """Return the dataset whose cohort, subsets and pools a dataset has."""
        return store_of(self.config, dataset)

    def cohort(self, cell: AnyCell) -> str:
        """Return the folder of the films that a cell's trials learn from and are tested on."""
        return f"results/{self.store(cell.dataset)}/cohort"

    def cohort_file(self, cell: AnyCell, name: str) -> str:
        """Return a file of that folder."""
        return f"{self.cohort(cell)}/{name}"

    def cohort_files(self, name: str) -> list[str]:
        """Return this file of the cohorts of all tested datasets."""
        return [f"results/{store}/cohort/{name}" for store in self.stores]

    def cohorts(self) -> list[str]:
        """Return the cohort of each tested dataset as options of a command: NAME=FOLDER."""
        return [f"{name}=results/{self.store(name)}/cohort" for name in self.datasets]

    def subsets(self, cell: AnyCell) -> str:
        """Return the ranks of those films in every trial."""
        return f"results/{self.store(cell.dataset)}/subsets.parquet"

    def leakage(self, cell: AnyCell) -> str:
        """Return the check of a cell's arm, of all datasets that share these films."""
        return f"results/{self.store(cell.dataset)}/leakage/{cell.arm}.csv"

    def sharing(self, store: str) -> list[str]:
        """Return the tested datasets that have the films of a dataset."""
        return [name for name in self.datasets if self.store(name) == store] or [store]

    def other_store(self, cell: AnyCell) -> str:
        """Return the dataset whose films these are where it is another one, else ""."""
        store = self.store(cell.dataset)
        return "" if store == cell.dataset else store

    def tabled(self, table: str) -> list[str]:
        """Return the datasets with a table of their own: all, but for leakage, which is of films, and transfer."""
        if table == "transfer":
            return self.transferred()
        return self.stores if table == "leakage" else self.datasets

    def external(self, dataset: str) -> list[str]:
        """Return the other cohorts that a dataset's models are tested on."""
        return self.config["trials"].get("external", {}).get(dataset, [])

    def tested_images(self, dataset: str) -> list[str]:
        """Return the arms on whose images a dataset's models are tested."""
        return self.config["trials"].get("images", {}).get(dataset, [])

    def transferred(self) -> list[str]:
        """Return the datasets whose models are tested on more than their own films."""
        return [name for name in self.datasets if self.external(name) or self.tested_images(name)]

    # Pools

    def candidates(self, cell: AnyCell) -> int:
        """Return the images to make for each real one: the largest multiplier, times as many as a filter needs to choose."""
        candidates = self.arm(cell.arm).candidates
        return max(self.multipliers_of(cell.fraction)) * candidates

    def shard_count(self, cell: AnyCell) -> int:
        """Return into how many shards a pool is cut."""
        return self.config["sampling"]["shards"].get(cell.fraction, 1)

    def conditions(self, cell: AnyCell) -> str:
        """Return the table of the images to make."""
        return f"results/{self.store(cell.dataset)}/conditions/{cell.arm}/fraction-{cell.fraction}.parquet"

    def condition_settings(self, cell: AnyCell) -> dict[str, Any]:
        """Return what a cell's conditions are made of; those of a generator that follows something else are all of that kind."""
        settings, generator = stage(self.config, "conditions", cell.dataset), self.arm(cell.arm).generator
        return {**settings, "kinds": {generator.follows: 1.0}} if generator and generator.follows else settings

    def words(self, cell: AnyCell) -> str:
        """Return the option that gives each mask of a cell's images words that say what it shows, "" where none."""
        generator = self.arm(cell.arm).generator
        return "--words" if generator and generator.words else ""

    def pool(self, cell: AnyCell) -> str:
        """Return the folder of a cell's pool."""
        return f"results/{self.store(cell.dataset)}/pools/{self.pool_arm(cell.arm)}/fraction-{cell.fraction}"

    def pool_arm(self, name: str) -> str:
        """Return the arm whose pool an arm reads: the first with the same images.

        Arms share their conditions and noise, so one that only mixes the images in another way has the same images.
        """
        return self._pool_arms.get(name, name)

    @cached_property
    def _pool_arms(self) -> dict[str, str]:
        """The same for every arm that has a store of images."""
        firsts: list[tuple[str, tuple[Any, ...]]] = []
        found: dict[str, str] = {}
        for name in self._arms:
            if own := self._made_from(name):
                firsts.append((name, own))
                found[name] = next(first for first, theirs in firsts if theirs == own)
        return found

    def _made_from(self, name: str) -> tuple[Any, ...]:
        """Return what decides which images an arm has, () for one without a store of images."""
        own = self.arm(name)
        if own.generator:
            return (own.generator, own.filter, own.candidates, own.masks)
        section = self.config["arms"].get(name, {})
        elsewhere = {key: value for key, value in section.items() if key not in ("cells", "mixing")}
        return (own.source, elsewhere) if own.source.rule else ()

    def has_pool(self, cell: AnyCell) -> bool:
        """Whether a cell's trials read a pool of images beside cohorts: `real` and controls of real films do not."""
        return bool(self.arm(cell.arm).source.rule)

    def shards(self, cell: AnyCell) -> list[str]:
        """Return the folders of its shards in order, for films of another dataset its cohort; none where there is no pool."""
        arm = self.arm(cell.arm)
        source = arm.source
        if source.cohort:
            return [f"results/{self.store(arm.cohort)}/cohort"]
        if not source.rule:
            return []
        if not arm.generator:
            return [f"results/{self.store(cell.dataset)}/pools/{self.pool_arm(cell.arm)}/{source.folder}"]
        return [f"{self.pool(cell)}/shard-{shard}" for shard in range(self.shard_count(cell))]

    def shard_files(self, cell: AnyCell) -> list[str]:
        """Return the files of those shards."""
        return [f"{shard}/{name}" for shard in self.shards(cell) for name in COHORT_FILES]

    def images(self, cell: AnyCell) -> list[str]:
        """Return the images of those shards."""
        return [f"{shard}/images.npy" for shard in self.shards(cell)]

    def scores(self, cell: AnyCell) -> list[str]:
        """Return the proxy model's scores of a pool, a table for each shard."""
        return [f"{self.pool(cell)}/scores-{shard}.parquet" for shard in range(self.shard_count(cell))]

    def kept(self, cell: AnyCell) -> list[str]:
        """Return the list of what a filter kept of the pool; nothing for an arm without a filter."""
        chosen = self.arm(cell.arm).filter
        return [f"{self.pool(cell)}/{chosen.file}"] if chosen else []

    def sheets(self) -> list[str]:
        """Return the sheets of every pool that the study's trials read."""
        cells = self.cells(self.datasets, self.arms, self.fractions)
        return list(dict.fromkeys(f"{self.pool(cell)}/sheet.png" for cell in cells if self.has_pool(cell)))
