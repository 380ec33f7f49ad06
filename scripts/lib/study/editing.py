"""The files and settings of counterfactual edits, asked of class Study.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.config import stage
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.sources import PHANTOM
from scripts.lib.study.study import Study
from scripts.lib.study.teachers import edits_source

OWN_CLASS, SDEDIT_EQUAL = "own-class", "sdedit-equal"  # controls that the generator makes


class Editing:
    """The files behind edits.csv. Methods raise InputError, one line, for what does not fit."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config
        self.own: dict[str, Any] = self.config["edits"]
        self.cohort = f"results/{study.generator_dataset}/cohort"
        self.folder = f"results/{study.generator_dataset}/edits"
        self.methods = [*self.own["ways"], OWN_CLASS, SDEDIT_EQUAL]
        self.form_files = [
            "forms.parquet",
            "assignments.parquet",
            "questions.json",
            *(f"pictures/{file}" for file in COHORT_FILES),
        ]
        self.asked = f"results/{study.generator_dataset}/questionnaire"

    def judge(self) -> str:
        """Return the folder of the judge; raises InputError where edits have no class."""
        source = edits_source(self.config)
        if source is None:
            raise InputError(f"config: study.generator_dataset = {self.study.generator_dataset}: its target is a mask; edits need classes")  # fmt: skip
        return f"results/judges/{source.judge}"

    def note(self) -> str:
        """Return what the table says of the judge: whether it learned from films of the edited dataset."""
        source = edits_source(self.config)
        same = source and source.dataset == self.study.generator_dataset
        return "the judge learned from other films of the same dataset: it may know its habits" if same else ""

    def films(self) -> list[str]:
        """Return the files of the cohort whose films are edited."""
        return [f"{self.cohort}/{file}" for file in COHORT_FILES]

    def shards(self, method: str) -> list[str]:
        """Return the folders of a method's edits in order."""
        return [f"{self.folder}/{method}/shard-{shard}" for shard in range(self.own["shards"])]

    def stores(self) -> list[str]:
        """Return the images of the edits of all methods."""
        return [f"{shard}/images.npy" for method in self.methods for shard in self.shards(method)]

    def drawn(self) -> list[str]:
        """Return the files of the edits that raters see: those of the first way."""
        return [f"{shard}/{file}" for shard in self.shards(self.own["ways"][0]) for file in COHORT_FILES]

    def answers(self) -> str:
        """Return the log of answers; raises InputError where there is none and the films are real."""
        if given := self.own["questionnaire"]["answers"]:
            return str(given)
        dataset = self.study.generator_dataset
        if self.config["datasets"][dataset]["root"] != PHANTOM:
            raise InputError(
                f"config: edits.questionnaire.answers is null: nobody has answered about the films of {dataset}, and raters are "
                "simulated for a phantom alone; collect answers with make ask, and name their log"
            )
        return f"{self.asked}/simulated.jsonl"

    def is_simulated(self) -> bool:
        """Return whether the answers are those of simulated raters."""
        return not self.own["questionnaire"]["answers"]

    def questionnaire(self, *keys: str) -> dict[str, Any]:
        """Return keys of section edits.questionnaire."""
        return {key: self.own["questionnaire"][key] for key in keys}

    def settings(self, *keys: str) -> dict[str, Any]:
        """Return keys of section edits, with where to compute."""
        return {key: self.own[key] for key in (*keys, "device", "precision")}

    def sampling(self) -> dict[str, Any]:
        """Return the section sampling, of which an editor reads where to compute and how many films at once."""
        return stage(self.config, "sampling")
