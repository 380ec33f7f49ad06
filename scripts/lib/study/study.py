"""What a study trains and tests, and where that lies: trials, their predictions and settings, other cohorts, models.

Rules, planner and figures ask class Study; a path of results/ that depends on a cell is written down here, in pools.py, and in
the rule that makes it. Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import BASE as BASE_GENERATOR
from scripts.lib.study.arms import REAL, Generator, gates
from scripts.lib.study.cells import AnyCell, Cell
from scripts.lib.study.config import stage
from scripts.lib.study.confounder import confounder
from scripts.lib.study.exposure import exposure
from scripts.lib.study.pools import Pools
from scripts.lib.study.tasks import of_structures, targets_of

MGCA = "results/mgca"
PROXY = "results/proxy/model"
BASE = "results/generators/base"
MASK_MODEL = "results/generators/masks"
LOCAL = "local-dir:"


class Study(Pools):
    """A study, made from its resolved configuration. Methods raise InputError, one line, for what it does not have."""

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

    def image_cells(self, cell: AnyCell) -> list[Cell]:
        """Return the cells whose images a cell's models are tested on, at the same fraction; none without images there."""
        every = (Cell(cell.dataset, arm, cell.fraction) for arm in self.tested_images(cell.dataset))
        return [other for other in every if self.runs(other)]

    def image_shards(self, cell: AnyCell) -> list[str]:
        """Return the shards of these images as options of a command: ARM=FOLDER."""
        return [f"{other.arm}={shard}" for other in self.image_cells(cell) for shard in self.shards(other)]

    def image_kept(self, cell: AnyCell) -> list[str]:
        """Return what filters kept of these images: ARM=FILE."""
        return [f"{other.arm}={kept}" for other in self.image_cells(cell) for kept in self.kept(other)]

    def image_trial(self, job: Any) -> str:
        """Return the trial whose images the models of `job.trial` are tested on: the next one, never their own; "" for none."""
        return str((int(job.trial) + 1) % self.trials) if self.image_cells(job) else ""

    def elsewhere_files(self) -> list[str]:
        """Return the tables of other cohorts, and table and figure of what was trained on against what was tested on; none where
        models are tested on their own films alone."""
        transfer = ["results/tables/transfer.csv", "results/transfer.pdf"] if self.transferred() else []
        return [*self.external_tables(), *transfer]

    def cell_settings(self, cell: AnyCell) -> dict[str, Any]:
        """Return the settings of a cell's trials: those of its dataset, with what the arm mixes in a way of its own."""
        settings = self.trial_settings(cell.dataset)
        if self.arm(cell.arm).source.name != "augmented":
            settings.pop("strong_augment", None)
        return {**settings, "mixing": {**settings["mixing"], **self.arm(cell.arm).mixing}}

    def trial_sources(self, cell: AnyCell) -> list[str]:
        """Return what a trial reads beside its cohort: the pool, other cohorts and images to test on, what a filter kept, and weights
        that are files."""
        weights = self.trial_settings(cell.dataset)["model"]["weights"]
        indices = [f"{shard}/index.parquet" for shard in self.shards(cell)]
        indices += [f"results/{self.store(name)}/cohort/index.parquet" for name in self.external(cell.dataset)]
        files = [*indices, *self.kept(cell), *self._gates(cell), *([] if weights in (None, "imagenet") else [weights])]
        for other in self.image_cells(cell):
            files += [f"{shard}/index.parquet" for shard in self.shards(other)]
            files += [*self.kept(other), *self._gates(other)]
        return list(dict.fromkeys(files))

    def _gates(self, cell: AnyCell) -> list[str]:
        return [f"{self.pool(cell)}/{file}" for file in gates(self.config, cell.arm)]

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
