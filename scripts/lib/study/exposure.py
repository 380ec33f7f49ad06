"""Which arms learned from training films outside of their fraction: through their generator, or through their filter.

A trial at 1 % compares 1 % of the real films with the same and synthetic ones. Where the synthetic ones come from a model that
has seen more of the training films, the comparison also counts those. It is not refused, since a small study may have no other
films; it is said in the tables of trials, in the report of a filtered arm, and on the screen.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from scripts.lib.study.arms import (
    ANOTHER,
    ELSEWHERE,
    FOUNDATION,
    JUDGE,
    KEPT,
    OTHERS,
    RATERS,
    REAL,
    VALIDATION,
    Arm,
    arm_of,
)
from scripts.lib.study.kind_faults import kinds_of
from scripts.lib.study.teachers import judge_source, learned_split

NOT_LIMITED = "not limited to"  # with this the note of an arm begins, by which figures find it


def exposure(config: Mapping[str, Any], arm: str, dataset: str, fraction: float) -> str:
    """Return what an arm has learned from training films of `dataset` outside of `fraction`, "" where nothing."""
    if arm == REAL or arm not in config["arms"]:
        return ""
    own = arm_of(config, arm)
    # Who made a pool elsewhere may have seen test films, too; and no fraction holds the films of another dataset.
    if fraction >= 1 and not {ELSEWHERE, ANOTHER} & own.taught_by:
        return ""
    reasons = list(dict.fromkeys(_reasons(config, own, dataset, fraction)))
    if not reasons:
        return ""
    return f"{NOT_LIMITED} {fraction * 100:g} % of the training films: {', '.join(reasons)}"


def exposures(config: Mapping[str, Any], shown: Sequence[str] = ("figure3", "figure4")) -> list[str]:
    """Return one line for each arm and dataset of the study and its figures that has such an advantage.

    shown  the figures that the study can draw; of the others nothing is said
    """
    study, figures = config["study"], config["figures"]
    cells = [(arm, name, f) for name in study["datasets"] for arm in study["arms"] for f in study["fractions"]]
    for key in shown:
        cells += [(arm, figures[key]["dataset"], figures[key]["fraction"]) for arm in figures[key]["arms"]]
    lines: dict[tuple[str, str], str] = {}
    for arm, name, fraction in cells:
        text = exposure(config, arm, name, fraction) if arm_of(config, arm).covers(name, fraction) else ""
        if text:
            lines.setdefault((arm, name), f"{name}, arm {arm}: {text}")
    return list(lines.values())


def _reasons(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    for teacher, reasons in REASONS.items():
        if teacher in arm.taught_by:
            yield from reasons(config, arm, dataset, fraction)


def _of_foundation(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    trained_here = config["base"]["path"] is None and dataset in config["study"]["foundation"]
    if trained_here and learned_split(config, dataset) == "train":
        yield "the foundation model learned from all of them"


def _of_raters(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    if "train" in config["feedback"]["splits"].get(dataset, []):
        yield "raters tuned its generator on images made from the masks and reports of all of them"


def _of_validation(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    if proxy_judged_on_training(config, dataset):
        yield "the labels of all of them say for which labels the proxy model may filter"


def _of_kept(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    """An arm that learned from the images of another one inherits what taught that one."""
    source = config["finetune"]["source"]
    if source["arm"] == arm.name:
        return
    if source["arm"] in config["arms"]:
        yield from _reasons(config, arm_of(config, source["arm"]), dataset, fraction)
    if source["dataset"] == dataset and _masks_shared(config, dataset, fraction):
        yield f"its generator was tuned on images made from masks of its trials at {source['fraction'] * 100:g} %"


def _of_judge(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    source = judge_source(config, dataset)
    if (source.dataset, source.split) == (dataset, "train"):
        yield "the judge that says which of its images are kept learned from all of them"


def _of_others(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    yield "it adds other real training films, the ceiling of what images could be worth"


def _of_another(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    yield f"it adds real training films of {arm.cohort}"


def _of_elsewhere(config: Mapping[str, Any], arm: Arm, dataset: str, fraction: float) -> Iterator[str]:
    yield "its images were made elsewhere, from films that are not known here, perhaps test films among them"


Reasons = Callable[[Mapping[str, Any], Arm, str, float], Iterator[str]]
# What follows from each teacher of the registry, in the order in which a note says it.
REASONS: dict[str, Reasons] = {
    FOUNDATION: _of_foundation,
    RATERS: _of_raters,
    VALIDATION: _of_validation,
    KEPT: _of_kept,
    JUDGE: _of_judge,
    OTHERS: _of_others,
    ANOTHER: _of_another,
    ELSEWHERE: _of_elsewhere,
}


def proxy_judged_on_training(config: Mapping[str, Any], dataset: str) -> bool:
    """Whether the proxy model is validated on the films that trials of `dataset` draw their subsets from."""
    validation = config["proxy"]["validation"]
    return validation["dataset"] == dataset and validation["split"] == "train"


def validation_faults(config: Mapping[str, Any]) -> list[str]:
    """Return faults of proxy.validation: films that the proxy model learned from, or that trials are tested on."""
    validation, study = config["proxy"]["validation"], config["study"]
    name, split = validation["dataset"], validation["split"]
    where = f"config: proxy.validation = {{dataset: {name}, split: {split}}}"
    faults = []
    if config["proxy"]["model"] is None and name in study["foundation"] and split == learned_split(config, name):
        faults.append(f"{where}: the proxy model that is trained here learns from these films; name another split")
    if split == "test" and name in {*study["datasets"], config["figures"]["figure3"]["dataset"]}:
        faults.append(
            f"{where}: trials of {name} are tested on these films, whose labels would decide what their arms may keep; name "
            f"another split"
        )
    return faults


def _masks_shared(config: Mapping[str, Any], dataset: str, fraction: float) -> bool:
    """Whether the tuned generator has seen images made from masks that a trial at this fraction does not have."""
    kinds = kinds_of(config, dataset)
    several = config["subsets"]["per_trial"] and config["study"]["trials"] > 1
    return bool(kinds.get("mask", 0) + kinds.get("both", 0)) and (
        fraction < config["finetune"]["source"]["fraction"] or several
    )
