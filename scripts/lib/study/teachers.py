"""Which films teach what: the split that foundation and proxy models learn from, and the films of each judge of images.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.lib.core.errors import InputError
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


def learned_split(config: Mapping[str, Any], dataset: str) -> str:
    """Return the split of a cohort that foundation and proxy models learn from: generator where it has one, else train."""
    split = config["datasets"].get(dataset, {}).get("split")
    return "generator" if isinstance(split, Mapping) and split.get("generator") else "train"


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
