"""The judges of images: where their files lie and how they are trained, asked of class Study.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import EXPERTS, FAITHFUL, arm_of
from scripts.lib.study.cells import AnyCell
from scripts.lib.study.config import task_settings
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.study import Study
from scripts.lib.study.teachers import JudgeFilms, classifier_source, edits_source, judge_source, shown_by


class Judging:
    """The files behind faithfulness.csv. Methods raise InputError, one line, for what does not fit."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config

    def shows(self, dataset: str) -> list[str]:
        """Return the labels, or the one structure, that images for a dataset are asked to show."""
        return shown_by(self.config, dataset)

    def shown(self, cell: AnyCell) -> list[str]:
        """Return what images of a cell are asked to show."""
        return self.shows(cell.dataset)

    def source(self, dataset: str) -> JudgeFilms:
        """Return the films whose judge looks at images for a dataset."""
        return judge_source(self.config, dataset)

    # Judges

    def sources(self) -> dict[str, JudgeFilms]:
        """Return {judge: its films} of all datasets of the study."""
        voted = self.study.stores if self._has_classifier() else []
        labels = (classifier_source(self.config, name) for name in voted)
        known = [*map(self.source, self.study.stores), *labels, edits_source(self.config)]
        return {one.judge: one for one in known if one}

    def _has_classifier(self) -> bool:
        filters = [arm_of(self.config, name).filter for name in self.config["arms"]]
        return any(one and one.name == EXPERTS for one in filters) and "classifier" in self.config["experts"]["names"]

    def judge(self, cell: AnyCell) -> str:
        """Return the folder of the judge that looks at a cell's images."""
        return f"results/judges/{self.source(cell.dataset).judge}"

    def films(self, job: Any) -> list[str]:
        """Return the files of the cohort that teaches the judge `job.judge`."""
        return [f"results/{self._of(job).dataset}/cohort/{file}" for file in COHORT_FILES]

    def split(self, job: Any) -> str:
        """Return the split of that cohort."""
        return self._of(job).split

    def structure(self, job: Any) -> str:
        """Return the structure that the judge finds, "" where it tells labels."""
        return self._of(job).structure

    def settings(self, job: Any) -> dict[str, Any]:
        """Return how a judge is trained: as a trial of its task, without weights that films of the study may have taught."""
        task = "segmentation" if self._of(job).structure else "classification"
        own = task_settings(self.config, "trials", {"task": task})
        model = {**own["model"], "frozen": False}
        model["weights"] = model["weights"] if model["weights"] == "imagenet" else None
        unread = (
            "empty_policy",
            "external",
            "images",
            "strong_augment",
            "mixing",
            "validation_share",
            "validation_patients",
        )
        kept = {key: value for key, value in own.items() if key not in unread}
        judge = self.config["faithfulness"]["judge"]
        budget = {"kind": "steps", "steps": judge["steps"]}
        about = {key: judge[key] for key in ("films", "held_out")}
        if self._of(job).blurred:
            about["blur"] = self.config["edits"]["blur"]
        return {**kept, **about, "model": model, "budget": budget, "task": "segmentation" if task == "segmentation" else "multilabel"}  # fmt: skip

    def _of(self, job: Any) -> JudgeFilms:
        known = self.sources()
        if job.judge not in known:
            raise InputError(f"results/judges/{job.judge}: no dataset of this study is judged by it; there are {', '.join(known)}")  # fmt: skip
        return known[job.judge]

    # Pools

    def most(self, cell: AnyCell) -> int:
        """Return how many images of a pool are judged: all (0) where what the judge denies is dropped."""
        chosen = self.study.arm(cell.arm).filter
        return 0 if chosen and chosen.name == FAITHFUL else self.config["faithfulness"]["images"]

    def dropping(self, cell: AnyCell) -> str:
        """Return the option that says that an arm's trials read what the judge agrees with alone, "" where all of it."""
        chosen = self.study.arm(cell.arm).filter
        return "--dropped" if chosen and chosen.name == FAITHFUL else ""
