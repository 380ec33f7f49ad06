"""What the measures of fidelity and memorisation hold images against, and where their files lie, asked of class Study.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import EXPERTS, FOUNDATION, GENERATORS, KEPT, MEMORY, RATERS, VALIDATION
from scripts.lib.study.cells import AnyCell, Cell
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.search_space import SCORED
from scripts.lib.study.study import Study
from scripts.lib.study.teachers import learned_split

ELSEWHERE_SOURCE = "pool"  # the source of arms whose images somebody made elsewhere
PIXELS = "pixels"  # thumbnails, which find copies
PLAIN = (PIXELS, "random", "proxy")  # named by one word; the others name a path after a colon
WITH_PATH = ("folder", "inception", "rad-dino")


@dataclass(frozen=True)
class FeatureNetwork:
    """A named source of features: `name` in paths and tables, `path` of its weights or of its folder, "" for none."""

    name: str
    path: str = ""


def network_of(text: str) -> FeatureNetwork:
    """Return the network that a setting names: random | proxy | folder:PATH | inception:PATH | rad-dino:PATH.

    Raises InputError for any other.
    """
    name, _, path = text.partition(":")
    if (name in PLAIN and not path and ":" not in text) or (name in WITH_PATH and path):
        return FeatureNetwork(name, path)
    known = ", ".join([*PLAIN[1:], *(f"{one}:PATH" for one in WITH_PATH)])
    raise InputError(f"config: fidelity.features: {text!r} is no source of features; write one of {known}")


class Fidelity:
    """The files behind fidelity.csv and memorisation.csv. Methods raise InputError, one line, for what does not fit."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config

    # Features

    def measured(self) -> list[FeatureNetwork]:
        """Return the networks in whose features images are compared with films; raises InputError for one named twice."""
        found = [network_of(text) for text in self.config["fidelity"]["features"]]
        names = [one.name for one in found]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"config: fidelity.features: {twice[0]} is named twice; keep one")
        return found

    def networks(self) -> list[str]:
        """Return all networks as a command takes them, NAME or NAME:PATH; pixels come first."""
        search = network_of(self.config["memorisation"]["features"])
        every = {one.name: one for one in (FeatureNetwork(PIXELS), *self.measured(), search)}
        return [f"{one.name}:{one.path}" if one.path else one.name for one in every.values()]

    def network_names(self) -> list[str]:
        """Return their names."""
        return [text.partition(":")[0] for text in self.networks()]

    def search(self) -> str:
        """Return the name of the network by which the nearest films are looked for."""
        return network_of(self.config["memorisation"]["features"]).name

    def models(self) -> list[str]:
        """Return the files and folders that the networks are read from."""
        found = [one.path for one in map(network_of, self.networks()) if one.name in WITH_PATH]
        return [*found, *(self.study.proxy_folder() if "proxy" in self.network_names() else [])]

    def store_files(self, cell: AnyCell, name: str) -> list[str]:
        """Return the features of one network for each shard of a pool."""
        return [f"{self.study.pool(cell)}/features/{name}-{shard}.npy" for shard in range(len(self.study.shards(cell)))]

    def shard(self, job: Any) -> str:
        """Return the folder of the store `job.shard` of a cell: a shard of its pool, or the images that came from elsewhere."""
        return self.study.shards(job)[int(job.shard)]

    def shard_files(self, job: Any) -> list[str]:
        """Return the files of that store from which features are made."""
        return [f"{self.shard(job)}/{name}" for name in ("images.npy", "index.parquet", "cohort.json")]

    def pool_features(self, cell: AnyCell) -> list[str]:
        """Return the features of a pool in which fidelity is measured, by network and shard."""
        return [file for one in self.measured() for file in self.store_files(cell, one.name)]

    def source_features(self, cell: AnyCell) -> list[str]:
        """Return the features of a pool in which images are told from films, by shard: those that find copies."""
        return self.store_files(cell, self.search())

    def cohort_features(self, cell: AnyCell) -> list[str]:
        """Return those of the films of its dataset."""
        return [f"results/{cell.dataset}/features/{one.name}.npy" for one in self.measured()]

    def barred(self, cell: AnyCell) -> list[str]:
        """Return the networks that chose this arm's images, or those that taught its generator: they may not judge them."""
        return ["proxy"] if {VALIDATION, KEPT} & self.study.arm(cell.arm).taught_by else []

    # Films

    def teachers(self, generator: str) -> list[tuple[str, str]]:
        """Return the (dataset, split) whose films a generator will learn from, of those that the study has.

        This plans: which cohorts are needed, which splits are no floor. Which films did teach it says its learned_from.parquet.
        """
        study, found = self.study, []
        if self.config["base"]["path"] is None and FOUNDATION in GENERATORS[generator].taught_by:
            found += [(name, learned_split(self.config, name)) for name in study.foundation]
        if GENERATORS[generator].own_films:
            found.append((study.generator_dataset, "generator"))
        return list(dict.fromkeys(found))

    def reference(self, cell: AnyCell) -> list[str]:
        """Return the splits of the dataset that the arm is held against.

        Raises InputError for one that taught the arm's generator, or on which a search chose its settings: then its images are
        near it for that reason alone.
        """
        arm = self.study.arm(cell.arm)
        splits: list[str] = self.config["fidelity"]["splits"]
        learned = self.teachers(arm.generator.name) if arm.generator else []
        taught = [split for name, split in learned if name == cell.dataset]
        if RATERS in arm.taught_by:
            taught += self.config["feedback"]["splits"].get(cell.dataset, [])
        searched = self.config["class_ldm"]["from_search"] and cell.dataset == self.study.generator_dataset
        if searched and arm.generator and arm.generator.section == "class_ldm":
            taught.append(SCORED)
        if wrong := [split for split in splits if split in taught]:
            free = [split for split in splits if split not in taught]
            raise InputError(
                f"config: fidelity.splits: split {wrong[0]} of {cell.dataset} taught the generator of arm {cell.arm} or "
                f"chose its settings, so it is no floor; write {free or 'splits that did not'}"
            )
        return splits

    def checked_index(self, cell: AnyCell) -> str:
        """Return the index of those films; raises InputError as `reference` does."""
        self.reference(cell)
        return f"results/{cell.dataset}/cohort/index.parquet"

    def dropping(self, cell: AnyCell) -> str:
        """Return the option that says that an arm's trials read no near-copies, "" where they do."""
        chosen = self.study.arm(cell.arm).filter
        voted = chosen and chosen.name == EXPERTS and "copy" in self.config["experts"]["must"]
        return "--dropped" if voted or (chosen and chosen.name == MEMORY) else ""

    def _generator(self, cell: AnyCell) -> str:
        generator = self.study.arm(cell.arm).generator
        if generator is None:
            raise InputError(f"arm {cell.arm} adds no synthetic images; it has no fidelity")
        return generator.name

    def datasets(self, job: Any) -> list[str]:
        """Return the datasets whose films may have taught the generator `job.generator`."""
        return self._datasets(job.generator)

    def folder(self, job: Any) -> str:
        """Return where the generator `job.generator` lies."""
        return self.study.folder(GENERATORS[job.generator])

    def films(self, job: Any) -> list[str]:
        """Return the files of the cohorts of those films."""
        return [f"results/{name}/cohort/{file}" for name in self._datasets(job.generator) for file in COHORT_FILES]

    def film_features(self, job: Any) -> list[str]:
        """Return thumbnails and search features of those cohorts."""
        return self._film_features(job.generator)

    def _datasets(self, generator: str) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.teachers(generator)))

    def _film_features(self, generator: str) -> list[str]:
        names = dict.fromkeys((PIXELS, self.search()))
        return [f"results/{dataset}/features/{name}.npy" for dataset in self._datasets(generator) for name in names]

    def cell_datasets(self, cell: AnyCell) -> list[str]:
        """Return the datasets whose films may have taught an arm's generator."""
        return self._datasets(self._generator(cell))

    def cell_films(self, cell: AnyCell) -> list[str]:
        """Return the indices of their cohorts, and the features by which copies of them are found."""
        generator = self._generator(cell)
        indices = [f"results/{name}/cohort/index.parquet" for name in self._datasets(generator)]
        return [*indices, *self._film_features(generator)]

    def cell_images(self, cell: AnyCell) -> list[str]:
        """Return the pixels of those cohorts, for a picture of the nearest pairs."""
        return [f"results/{name}/cohort/images.npy" for name in self._datasets(self._generator(cell))]

    def floor(self, cell: AnyCell) -> str:
        """Return how near held-out films come to those that taught the arm's generator."""
        return f"results/generators/floors/{self._generator(cell)}.parquet"

    def nearest(self, cell: AnyCell) -> list[str]:
        """Return the nearest training film of each image, a table for each shard."""
        return [f"{self.study.pool(cell)}/nearest-{shard}.parquet" for shard in range(self.study.shard_count(cell))]

    def share(self, cell: AnyCell) -> float:
        """Return the share of a pool's images that are compared: all of them where copies are dropped."""
        chosen = self.study.arm(cell.arm).filter
        return 1.0 if chosen and chosen.name in (MEMORY, EXPERTS) else self.config["memorisation"]["share"]

    # Tables

    def cells(self, dataset: str | None = None) -> list[Cell]:
        """Return the cells whose pools are measured: those of the study's synthetic arms, one of several that share a pool."""
        datasets = self.study.stores if dataset is None else [self.study.store(dataset)]
        found = self.study.cells(datasets, self.study.arms, self.study.fractions)
        of_pool: dict[str, Cell] = {}
        for cell in found:
            if self.study.arm(cell.arm).generator:
                of_pool.setdefault(self.study.pool(cell), cell)
        return list(of_pool.values())

    def traced(self) -> list[Cell]:
        """Return the measured cells of whose generators the study has films to look for: not a model from elsewhere alone."""
        return [cell for cell in self.cells() if self._datasets(self._generator(cell))]

    def elsewhere(self) -> list[Cell]:
        """Return the cells of pools that came from elsewhere, at the largest fraction: all fractions read the same images."""
        found: dict[tuple[str, str], Cell] = {}
        for cell in self.study.cells(self.study.stores, self.study.arms, sorted(self.study.fractions, key=float)):
            if self.study.arm(cell.arm).source.name == ELSEWHERE_SOURCE:
                found[cell.dataset, self.study.pool_arm(cell.arm)] = cell
        return list(found.values())

    def tables(self, name: str) -> list[str]:
        """Return the tables `name` (fidelity | memorisation | faithfulness | shortcut) of all pools of the study.

        Of a pool from elsewhere no list of films says whose copies to look for, and its images belong to no trial.
        """
        own = self.traced() if name == "memorisation" else self.cells()
        cells = [*own, *(self.elsewhere() if name in ("fidelity", "faithfulness") else [])]
        return list(dict.fromkeys(f"{self.study.pool(cell)}/{name}.csv" for cell in cells))

    def pictures(self) -> list[str]:
        """Return the pictures of nearest pairs, and of what a judge denies, of all pools of the study."""
        nearest = [f"{self.study.pool(cell)}/nearest.png" for cell in self.traced()]
        judged = [f"{self.study.pool(cell)}/judged.png" for cell in (*self.cells(), *self.elsewhere())]
        return list(dict.fromkeys([*nearest, *judged]))
