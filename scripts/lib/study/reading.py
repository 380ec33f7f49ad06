"""The files and settings of the reading study, asked of class Study.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.mask_pools import MaskPools
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.sources import PHANTOM
from scripts.lib.study.study import Study


class Reading:
    """The files behind reading/shares.csv. Methods raise InputError, one line, for what does not fit."""

    def __init__(self, study: Study) -> None:
        self.study, self.own = study, study.config["reading"]
        self.dataset: str = study.generator_dataset
        self.cohort = f"results/{self.dataset}/cohort"
        self.folder = f"results/{self.dataset}/reading"
        names = ["forms.parquet", "assignments.parquet", "questions.json", "told.json"]
        self.forms = [f"{self.folder}/{name}" for name in [*names, *(f"pictures/{file}" for file in COHORT_FILES)]]

    def cell(self) -> Cell:
        """Return the pool whose images readers see: of the arm reading.arm, else of the first arm with masks of its own, at the
        largest fraction; raises InputError where there is none.
        """
        arms = [self.own["arm"]] if self.own["arm"] else [name for name in MaskPools(self.study).arms if name in self.study.arms]  # fmt: skip
        if not arms or arms[0] not in self.study.arms or self.dataset not in self.study.datasets:
            raise InputError(
                f"config: reading.arm = {self.own['arm']}: no arm of this study has images of {self.dataset} with masks; name one of "
                f"{', '.join(self.study.arms)}, or run a study with an arm of masks (studies/aurad-phantom.yaml)"
            )
        return self.study.cells([self.dataset], arms[:1], [max(self.study.fractions, key=float)])[0]

    def shards(self) -> list[str]:
        """Return the folders of that pool's shards."""
        return self.study.shards(self.cell())

    def files(self) -> list[str]:
        """Return the files of the pool and of the cohort whose films stand beside it."""
        return [f"{folder}/{file}" for folder in (*self.shards(), self.cohort) for file in COHORT_FILES]

    def answers(self) -> str:
        """Return the log of answers; raises InputError where there is none and the films are real."""
        if given := self.own["answers"]:
            return str(given)
        if self.study.config["datasets"][self.dataset]["root"] != PHANTOM:
            raise InputError(
                f"config: reading.answers is null: nobody has read the films of {self.dataset}, and readers are simulated for a "
                "phantom alone; collect answers with make read, and name their log"
            )
        return f"{self.folder}/simulated.jsonl"

    def is_simulated(self) -> bool:
        """Return whether the answers are those of simulated readers."""
        return not self.own["answers"]

    def settings(self, *keys: str) -> dict[str, Any]:
        """Return keys of section reading."""
        return {key: self.own[key] for key in keys}
