"""What an arm's difference from `real` may be beside its images: where trainings are counted in passes, more films are more steps.

With `trials.budget.kind: epochs` a cell with 25 images per film makes 26 times the steps of `real`. It is not refused, since the
paper trains so; it is said in the tables of trials and on the screen, with the arm that tells the two apart.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.study.arms import REAL, SOURCES, arm_of
from scripts.lib.study.config import stage
from scripts.lib.study.tasks import of_structures

COPIES = "duplicate"  # the source whose trials make as many steps and see nothing new


def confounder(config: Mapping[str, Any], arm: str, dataset: str) -> str:
    """Return what stands in the rows of an arm whose trainings are counted in passes over its films, "" for any other.

    The arm that repeats the real films needs no such word: it is what the others are to be compared with.
    """
    if arm == REAL or arm not in config["arms"] or dataset not in config["study"]["datasets"]:
        return ""
    if arm_of(config, arm).source.name == COPIES or not counts_passes(config, dataset):
        return ""
    return f"trained by epochs, so more images are also more steps than `real` makes: {_beside(config, dataset)}"


def confounders(config: Mapping[str, Any]) -> list[str]:
    """Return lines for the screen: which trainings are counted in passes, what must stand beside, which multipliers are left out."""
    datasets, arms = config["study"]["datasets"], config["study"]["arms"]
    by_advice: dict[str, list[str]] = {}
    for name in datasets:
        if any(confounder(config, arm, name) for arm in arms):
            by_advice.setdefault(_beside(config, name), []).append(name)
    lines = [
        f"{', '.join(names)}: trials.budget.kind is epochs, so a cell with more images also trains longer, and part of its gain "
        f"may be that: {advice}"
        for advice, names in by_advice.items()
    ]
    return lines + _left_out(config)


def shortcuts(config: Mapping[str, Any]) -> list[str]:
    """Return one line for the datasets whose images all show what trials are to find: the source then tells the label."""
    found = []
    for name in (
        config["study"]["datasets"] if any(arm_of(config, arm).generator for arm in config["study"]["arms"]) else ()
    ):
        own = stage(config, "conditions", name)
        section = config["datasets"][name]
        key = (
            "positive_share"
            if of_structures(section)
            else "normal_share"
            if section["task"] == "classification"
            else ""
        )
        if key and own.get(key) == (0 if key == "normal_share" else 1):
            found.append(f"{name} ({key} {own[key]:g})")
    if not found:
        return []
    return [
        f"{', '.join(found)}: every image shows what is to be found, so a model may learn what is an image instead; "
        f"results/tables/shortcut.csv says how far (docs/fidelity.md)"
    ]


def _left_out(config: Mapping[str, Any]) -> list[str]:
    """Return one line for each arm and fraction whose multipliers need more films than there are."""
    study, lines = config["study"], []
    for name in study["arms"]:
        arm = arm_of(config, name)
        for fraction in study["fractions"]:
            note = arm.source.left_out(study["multipliers"].get(f"{fraction:g}", []), fraction)
            if note and any(arm.covers(dataset, fraction) for dataset in study["datasets"]):
                lines.append(f"arm {name} at {fraction * 100:g} %: {note}")
    return lines


def counts_passes(config: Mapping[str, Any], dataset: str) -> bool:
    """Whether the trainings of a dataset are counted in passes; without films to stop early by they make `steps` all the same."""
    settings = stage(config, "trials", dataset)
    return settings["budget"]["kind"] == "epochs" and settings["validation_share"] > 0


def _beside(config: Mapping[str, Any], dataset: str) -> str:
    known = SOURCES[COPIES]
    beside = [
        name
        for name in config["study"]["arms"]
        if (own := arm_of(config, name)).source == known and dataset in own.cells.get("datasets", [dataset])
    ]
    if beside:
        return f"compare with arm {beside[0]}, which repeats the real films as often"
    return f"put an arm with source: {COPIES} into study.arms, which repeats the real films as often"
