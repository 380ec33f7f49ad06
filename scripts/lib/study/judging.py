"""Which real films teach the judges of images, and where their files lie, asked of class Study.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import EXPERTS, FAITHFUL, arm_of
from scripts.lib.study.cells import AnyCell
from scripts.lib.study.config import task_settings
from scripts.lib.study.exposure import learned_split
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.study import Study
from scripts.lib.study.tasks import of_structures, targets_of

LABELS = "labels"


@dataclass(frozen=True)
class JudgeFilms:
    """The films that teach a judge: a split of a dataset, and the structure that it finds; "" where it tells labels.

    `blurred`: each film by a width of its own, so that it does not learn how sharp the films of a class are.
    """

    dataset: str
    split: str
    structure: str = ""
    blurred: bool = False

    @property
    def judge(self) -> str:
        """The name of the judge, a folder below results/judges."""
        return f"{self.dataset}-{self.split}-{self.structure or LABELS}{'-blurred' if self.blurred else ''}"


def shown_by(config: Mapping[str, Any], dataset: str) -> list[str]:
    """Return the labels, or the one structure, that images for a dataset are asked to show: of several structures the first."""
    section = config["datasets"][dataset]
    return targets_of(section)[:1] if of_structures(section) else targets_of(section)


def judge_source(config: Mapping[str, Any], dataset: str) -> JudgeFilms:
    """Return the films whose judge looks at images for a dataset: the first of these that has what they are to show.

    faithfulness.sources, the dataset's own split `generator`, that of the ControlNet's dataset (masks), the films of the
    foundation model (labels); else its own training films, from which trials at a fraction have a part alone.
    Raises InputError for test films, or films without it.
    """
    structure = shown_by(config, dataset)[0] if _has_masks(config, dataset) else ""
    given = config["faithfulness"]["sources"].get(dataset)
    if not given:
        name, split = next(one for one in _candidates(config, dataset) if _has(config, one[0], dataset))
        return JudgeFilms(name, split, structure)
    where = f"config: faithfulness.sources.{dataset}"
    if given["split"] == "test":
        raise InputError(f"{where}: trials are tested on films of split test; name another")
    if not _has(config, given["dataset"], dataset):
        raise InputError(
            f"{where}: {given['dataset']} has no {', '.join(shown_by(config, dataset))}; name films with it"
        )
    return JudgeFilms(given["dataset"], given["split"], structure)


def classifier_source(config: Mapping[str, Any], dataset: str) -> JudgeFilms:
    """Return the films whose judge of labels votes on images for a dataset: those of `judge_source`, their labels.

    Raises InputError where they have none of the dataset's labels.
    """
    own = judge_source(config, dataset)
    theirs = config["datasets"].get(own.dataset, {}).get("labels") or []
    if not set(theirs) & set(config["datasets"][dataset].get("labels") or []):
        raise InputError(
            f"config: experts.names: classifier: {own.dataset}, whose films teach the judge of {dataset}, has none of its labels; "
            f"name other films in faithfulness.sources.{dataset}, or take classifier out"
        )
    return JudgeFilms(own.dataset, own.split)


def edits_source(config: Mapping[str, Any]) -> JudgeFilms | None:
    """Return the films whose judge confirms edits of study.generator_dataset: edits.judge, else those of the first dataset of
    study.foundation with its labels, else its own training films, which taught no generator.

    None where its target is a mask. Raises InputError for test films, or films without its labels.
    """
    dataset, given = config["study"]["generator_dataset"], config["edits"]["judge"]
    if _has_masks(config, dataset):
        return None
    if given and given["split"] == "test":
        raise InputError("config: edits.judge: edits are reported on films of split test; name another")
    if given and not _has(config, given["dataset"], dataset):
        raise InputError(f"config: edits.judge: {given['dataset']} has no {', '.join(shown_by(config, dataset))}; name films with it")  # fmt: skip
    if given:
        return JudgeFilms(given["dataset"], given["split"], blurred=True)
    others = (name for name in config["study"]["foundation"] if name != dataset and not _has_masks(config, name))
    found = next((name for name in others if _has(config, name, dataset)), dataset)
    return JudgeFilms(found, learned_split(config, found) if found != dataset else "train", blurred=True)


def _has_masks(config: Mapping[str, Any], dataset: str) -> bool:
    return of_structures(config["datasets"][dataset])


def _candidates(config: Mapping[str, Any], dataset: str) -> Iterator[tuple[str, str]]:
    study = config["study"]
    if learned_split(config, dataset) == "generator":
        yield dataset, "generator"
    for name in [study["generator_dataset"]] if _has_masks(config, dataset) else study["foundation"]:
        split = learned_split(config, name)
        # The training films of another tested dataset belong to its trials.
        if split == "generator" or name not in study["datasets"]:
            yield name, split
    yield dataset, "train"


def _has(config: Mapping[str, Any], name: str, dataset: str) -> bool:
    key = "structures" if _has_masks(config, dataset) else "labels"
    known = config["datasets"].get(name, {}).get(key) or []
    return name == dataset or set(shown_by(config, dataset)) <= set(known)


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
        unread = ("empty_policy", "external", "strong_augment", "mixing", "validation_share", "validation_patients")
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
