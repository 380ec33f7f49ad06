"""What a study runs, and where its files lie: cells, pools, trials, kept lists, models, and the cells that figures show.

Rules, planner and figures ask class Study; a path of results/ that depends on a cell is written down here and in the rule that
makes it. Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import BASE as BASE_GENERATOR
from scripts.lib.study.arms import REAL, Arm, Generator, arm_of, gates
from scripts.lib.study.config import stage
from scripts.lib.study.confounder import confounder
from scripts.lib.study.exposure import exposure
from scripts.lib.study.shared import store_of, stores_of
from scripts.lib.study.tasks import of_structures, targets_of

COHORT_FILES = ("images.npy", "masks.npy", "index.parquet", "cohort.json")  # of a cohort, and of each shard of a pool
MGCA = "results/mgca"
PROXY = "results/proxy/model"
BASE = "results/generators/base"
MASK_MODEL = "results/generators/masks"
LOCAL = "local-dir:"


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


class Study:
    """A study, made from its resolved configuration. Methods raise InputError, one line, for what it does not have."""

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

    # Cells

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
        return self.arm(cell.arm).source.multipliers(wanted, float(cell.fraction))

    def runs(self, cell: AnyCell) -> bool:
        """Whether the study runs a cell: the arm's key `cells` has it, and the fraction has multipliers for it."""
        return self.arm(cell.arm).covers(cell.dataset, cell.fraction) and bool(self.multipliers(cell))

    def cells(self, datasets: Sequence[str], arms: Sequence[str], fractions: Sequence[str]) -> list[Cell]:
        """Return those cells of these that the study runs, by dataset, arm and fraction."""
        every = (Cell(name, arm, fraction) for name in datasets for arm in arms for fraction in fractions)
        return [cell for cell in every if self.runs(cell)]

    # Films, and the pools made of them, which several datasets may share (study/shared.py)

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
        """Return the datasets with a table of their own: all, but for leakage, which is of films."""
        return self.stores if table == "leakage" else self.datasets

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
        """Return the arm whose pool an arm reads: of those with the same generator, filter and candidates the first.

        Arms share their conditions and noise, so one that only mixes the images in another way has the same images.
        """
        own = self.arm(name)
        alike = (
            other
            for other, arm in self._arms.items()
            if own.generator
            and (arm.generator, arm.filter, arm.candidates, arm.masks)
            == (own.generator, own.filter, own.candidates, own.masks)
        )
        return next(alike, name)

    def has_pool(self, cell: AnyCell) -> bool:
        """Whether a cell's trials read a store of images beside their cohort: `real` and controls of its own films do not."""
        return bool(self.arm(cell.arm).source.rule)

    def shards(self, cell: AnyCell) -> list[str]:
        """Return the folders of its shards in order; none where there is no pool."""
        source = self.arm(cell.arm).source
        if not source.rule:
            return []
        if not self.arm(cell.arm).generator:
            return [f"results/{self.store(cell.dataset)}/pools/{cell.arm}/{source.folder}"]
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

    # Trials

    def trial_patterns(self, dataset: str, arms: Sequence[str], fractions: Sequence[str]) -> list[str]:
        """Return the predictions of the trials of `real` and these arms, {} for the number of the trial.

        A command that named every file would soon be longer than Linux allows.
        """
        cells = self.cells([dataset], [REAL, *arms], fractions)
        return [f"results/{dataset}/trials/{cell.arm}/fraction-{cell.fraction}/trial-{{}}.parquet" for cell in cells]

    def trial_files(self, dataset: str, arms: Sequence[str], fractions: Sequence[str]) -> list[str]:
        """Return the same files, each trial by its number."""
        patterns = self.trial_patterns(dataset, arms, fractions)
        return [pattern.replace("{}", str(trial)) for pattern in patterns for trial in range(self.trials)]

    def curve_patterns(self, dataset: str) -> list[str]:
        """Return the same of all trials of a dataset, those of the arm `real` at `study.real_fractions` with them."""
        study = self.trial_patterns(dataset, self.arms, self.fractions)
        return [*study, *self.trial_patterns(dataset, [], self.real_fractions)]

    def curve_files(self, datasets: Sequence[str]) -> list[str]:
        """Return these files of some datasets, each trial by its number."""
        patterns = [pattern for dataset in datasets for pattern in self.curve_patterns(dataset)]
        return [pattern.replace("{}", str(trial)) for pattern in patterns for trial in range(self.trials)]

    def study_files(self, datasets: Sequence[str]) -> list[str]:
        """Return the predictions of all trials of some datasets, those of `study.real_fractions` left out."""
        return [path for dataset in datasets for path in self.trial_files(dataset, self.arms, self.fractions)]

    def trial_settings(self, dataset: str) -> dict[str, Any]:
        """Return a dataset's trial settings; the weights called `mgca` are those that the workflow trains."""
        settings = stage(self.config, "trials", dataset)
        if settings["model"]["weights"] == "mgca":
            settings["model"] = {**settings["model"], "weights": MGCA}
        return settings

    def scoring_settings(self, dataset: str) -> dict[str, Any]:
        """Return how a dataset's predictions are scored; no training reads this."""
        return stage(self.config, "score_trials", dataset)

    def external(self, dataset: str) -> list[str]:
        """Return the other cohorts that a dataset's models are tested on."""
        return self.config["trials"].get("external", {}).get(dataset, [])

    def external_cohorts(self, cell: AnyCell) -> list[str]:
        """Return the same as options of a command: NAME=FOLDER."""
        return [f"{name}=results/{self.store(name)}/cohort" for name in self.external(cell.dataset)]

    def external_indices(self, cell: AnyCell) -> list[str]:
        """Return their indices; raises InputError where there is no such cohort."""
        if not (names := self.external(cell.dataset)):
            raise InputError(
                f"config: trials.external names no cohort for {cell.dataset}; write {cell.dataset}: [COHORT]"
            )
        return [f"results/{self.store(name)}/cohort/index.parquet" for name in names]

    def external_tables(self) -> list[str]:
        """Return the tables of the datasets whose models are tested on other cohorts."""
        return [f"results/{name}/external.csv" for name in self.datasets if self.external(name)]

    def cell_settings(self, cell: AnyCell) -> dict[str, Any]:
        """Return the settings of a cell's trials: those of its dataset, with what the arm mixes in a way of its own."""
        settings = self.trial_settings(cell.dataset)
        if self.arm(cell.arm).source.name != "augmented":
            settings.pop("strong_augment", None)
        return {**settings, "mixing": {**settings["mixing"], **self.arm(cell.arm).mixing}}

    def trial_sources(self, cell: AnyCell) -> list[str]:
        """Return what a trial reads beside its cohort: the pool, other cohorts to test on, what a filter kept, and weights that are files."""
        weights = self.trial_settings(cell.dataset)["model"]["weights"]
        indices = [f"{shard}/index.parquet" for shard in self.shards(cell)]
        indices += [f"results/{self.store(name)}/cohort/index.parquet" for name in self.external(cell.dataset)]
        gate = [f"{self.pool(cell)}/{file}" for file in gates(self.config, cell.arm)]
        return [*indices, *self.kept(cell), *gate, *([] if weights in (None, "imagenet") else [weights])]

    def control(self, cell: AnyCell) -> str:
        """Return the name of an arm's source, "" where its images come from a generator or it adds none."""
        source = self.arm(cell.arm).source
        return source.name if source.is_control else ""

    def exposure(self, cell: AnyCell) -> str:
        """Return what the arm has learned from training films outside of the fraction, "" where nothing."""
        return exposure(self.config, cell.arm, self.store(cell.dataset), float(cell.fraction))

    def note(self, cell: AnyCell) -> str:
        """Return what the rows of a cell say of its arm: what it has learned elsewhere, and what else may explain its gain."""
        wanted = self.config["study"]["multipliers"].get(cell.fraction, [])
        left_out = self.arm(cell.arm).source.left_out(wanted, float(cell.fraction))
        told = (self.exposure(cell), confounder(self.config, cell.arm, cell.dataset), left_out)
        return "; ".join(filter(None, told))

    def calibration(self) -> list[str]:
        """Return the table and picture of probabilities; none in a study whose models give none, only masks or boxes."""
        labels = [name for name in self.datasets if not of_structures(self.config["datasets"][name])]
        return ["results/tables/calibration.csv", "results/calibration.png"] if labels else []

    def family(self, known: Sequence[str]) -> str:
        """Return the family of tests that share a correction; one wider than `known` is narrowed to the widest of them."""
        chosen = self.config["statistics"]["family"]
        return chosen if chosen in known else known[-1]

    # Models

    def base(self) -> str:
        """Return the foundation model: a path from the configuration, or the one trained in the workflow."""
        return self.config["base"]["path"] or BASE

    def generator(self, cell: AnyCell) -> str:
        """Return the folder of the generator that makes a cell's pool."""
        generator = self.arm(cell.arm).generator
        if generator is None:
            source = self.arm(cell.arm).source
            why = f"has no generator (source: {source.name})" if source.adds else "adds no images to the real films"
            raise InputError(f"arm {cell.arm} {why}; there is no pool of it to sample")
        return self.folder(generator)

    def folder(self, generator: Generator) -> str:
        """Return where a generator lies; the foundation model may have been trained elsewhere."""
        return self.base() if generator.name == BASE_GENERATOR else generator.folder

    def generator_target(self) -> list[str]:
        """Return the labels of `study.generator_dataset` that are classes of a generator; raises InputError where it has masks."""
        section = self.config["datasets"][self.generator_dataset]
        if of_structures(section):
            raise InputError(
                f"config: study.generator_dataset = {self.generator_dataset}: its target is a mask; a generator that follows "
                f"classes learns from a dataset of the task classification or multilabel"
            )
        return targets_of(section)

    def proxy(self) -> str:
        """Return how open_clip calls the proxy model."""
        return self.config["proxy"]["model"] or PROXY

    def proxy_folder(self) -> list[str]:
        """Return the folder of the proxy model, where it is a folder; an id of a model hub is not a file."""
        name = self.proxy()
        return [name.removeprefix(LOCAL)] if name == PROXY or name.startswith(LOCAL) else []
