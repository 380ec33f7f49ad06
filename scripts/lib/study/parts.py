"""Parts of a configuration that only some targets need, checked when a target needs them.

A study of somebody's own films names its datasets and no more: Figure 2 must not stop because the raters' section still
speaks of the phantom, and Figure 3 must not draw the phantom in silence because its section does.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import arm_of
from scripts.lib.study.exposure import validation_faults
from scripts.lib.study.shared import stores_of
from scripts.lib.study.teachers import learned_split

PARTS = ("figure2", "figure3", "figure4", "finetune", "proxy", "feedback", "simulation")


def check_part(config: Mapping[str, Any], part: str) -> None:
    """Raise InputError, one line, unless the part of the (resolved) configuration fits the study.

    figure2, figure3, figure4  the cell that the figure shows
    finetune                   whose images tune the generator after the proxy model's choice
    proxy                      the films that the proxy model is held against
    feedback, simulation       what raters are shown, and what simulated raters learn from
    """
    if faults := list(part_faults(config, part)):
        raise InputError.of(faults)


def part_faults(config: Mapping[str, Any], part: str) -> Iterator[str]:
    """Yield one line for each key of a part that does not fit the study."""
    if part in ("figure3", "figure4"):
        yield from _cell_faults(config, f"figures.{part}", config["figures"][part])
        yield from _label_faults(config, part)
        yield from maskless_faults(config, f"figures.{part}.arms", config["figures"][part]["arms"])
        if part == "figure3":
            arms = config["figures"][part]["arms"]
            yield from _pool_faults(
                config, "figures.figure3.arms", next((a for a in arms if arm_of(config, a).filter), arms[0])
            )
    elif part == "figure2":
        yield from _figure2_faults(config)
    elif part == "finetune":
        yield from _cell_faults(config, "finetune.source", config["finetune"]["source"])
        yield from _pool_faults(config, "finetune.source.arm", config["finetune"]["source"]["arm"])
        yield from maskless_faults(config, "finetune.source.arm", [config["finetune"]["source"]["arm"]])
    elif part == "proxy":
        key = "proxy.validation.dataset"
        yield from _outside(config, key, config["proxy"]["validation"]["dataset"])
        yield from validation_faults(config)
    elif part == "feedback":
        yield from _feedback_faults(config)
    elif part == "simulation":
        judge = config["feedback"]["simulation"]["judge"]
        for name in ("findings", "masks"):
            yield from _outside(config, f"feedback.simulation.judge.{name}.dataset", judge[name]["dataset"])
        yield from _no_masks(config, "feedback.simulation.judge.masks.dataset", judge["masks"]["dataset"])


def _pool_faults(config: Mapping[str, Any], where: str, arm: str) -> Iterator[str]:
    """Yield a fault where the images of an arm are to be scored and no generator makes any."""
    if arm_of(config, arm).generator is None:
        made = ", ".join(name for name in config["arms"] if arm_of(config, name).generator) or "none"
        yield f"config: {where} = {arm}: no generator makes its images; write one of {made}"


def maskless_faults(config: Mapping[str, Any], where: str, arms: Iterable[str]) -> Iterator[str]:
    """Yield a fault where generators of arms learn from masks and study.generator_dataset is said to have none."""
    name = config["study"]["generator_dataset"]
    given = config["datasets"].get(name, {})  # a name that is unknown is another fault
    if given.get("structures") != []:  # left out: all that the tables have
        return
    known = [arm_of(config, arm) for arm in arms if arm in config["arms"]]
    if masked := [arm.name for arm in known if arm.generator and arm.generator.needs_masks]:
        yield (
            f"config: {where}: the generator of {', '.join(masked)} learns from masks, and {name} has none "
            f"(datasets.{name}.structures: []); name its structures and masks, or images of texts: "
            f"arms.{masked[0]}.generator: base"
        )


def _no_masks(config: Mapping[str, Any], key: str, name: str) -> Iterator[str]:
    if config["datasets"][name].get("structures") == []:
        yield f"config: {key} = {name}: has no masks (datasets.{name}.structures: []); name its structures and masks"


def study_datasets(config: Mapping[str, Any]) -> list[str]:
    """Return every dataset that the study names, downstream, foundation and the ControlNet's, and those whose films they have."""
    study = config["study"]
    names = [*study["datasets"], *study["foundation"], study["generator_dataset"]]
    return list(dict.fromkeys([*names, *stores_of(config, names)]))


def outside_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each key that names a dataset outside of the study: its films would get into the results."""
    feedback, judge = config["feedback"], config["feedback"]["simulation"]["judge"]
    named = [(f"figures.{key}.dataset", config["figures"][key]["dataset"]) for key in ("figure3", "figure4")]
    named.append(("finetune.source.dataset", config["finetune"]["source"]["dataset"]))
    named.append(("proxy.validation.dataset", config["proxy"]["validation"]["dataset"]))
    named += [("feedback.splits", name) for name, splits in feedback["splits"].items() if splits]
    named.append(("feedback.sets.mask_dataset", feedback["sets"]["mask_dataset"]))
    named += [(f"feedback.simulation.judge.{part}.dataset", judge[part]["dataset"]) for part in ("findings", "masks")]
    for arm in config["study"]["arms"]:
        own = config["arms"].get(arm, {}).get("cells", {}).get("datasets", [])
        named += [(f"arms.{arm}.cells.datasets", name) for name in own]
    for key, name in named:
        yield from _outside(config, key, name)


def _outside(config: Mapping[str, Any], key: str, name: str) -> Iterator[str]:
    if name not in (known := study_datasets(config)):
        yield f"config: {key} = {name}: not a dataset of this study; write one of {', '.join(known)}, or add it to study.datasets"


def _cell_faults(config: Mapping[str, Any], where: str, cell: Mapping[str, Any]) -> Iterator[str]:
    """Yield faults of a dataset, fraction and multiplier whose trials or pool are wanted."""
    study = config["study"]
    if cell["dataset"] not in study["datasets"]:
        known = ", ".join(study["datasets"])
        yield f"config: {where}.dataset = {cell['dataset']}: not among study.datasets; write one of {known}"
    multipliers = study["multipliers"].get(f"{cell['fraction']:g}")
    if cell["fraction"] not in study["fractions"] or multipliers is None:
        known = ", ".join(f"{fraction:g}" for fraction in study["fractions"])
        yield f"config: {where}.fraction = {cell['fraction']:g}: not among study.fractions; write one of {known}"
    elif "multiplier" in cell and cell["multiplier"] not in multipliers:
        known = ", ".join(str(value) for value in multipliers if value) or "none above 0"
        yield (
            f"config: {where}.multiplier = {cell['multiplier']}: not among study.multipliers of fraction "
            f"{cell['fraction']:g}; write one of {known}"
        )


def _label_faults(config: Mapping[str, Any], part: str) -> Iterator[str]:
    figure = config["figures"][part]
    section = config["datasets"][figure["dataset"]]
    for label in figure.get("labels", []):
        if label not in section["labels"]:
            known = ", ".join(section["labels"])
            yield f"config: figures.{part}.labels: {label} is no label of {figure['dataset']}; write some of {known}"


def _figure2_faults(config: Mapping[str, Any]) -> Iterator[str]:
    arm, arms = config["figures"]["arm"], config["study"]["arms"]
    if arms and arm not in arms:
        yield f"config: figures.arm = {arm}: not among study.arms; write one of {', '.join(arms)}"


def _feedback_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield faults of what raters see: datasets outside of the study, other masks than the pool's, films already seen."""
    feedback, study = config["feedback"], config["study"]
    known = study_datasets(config)
    first = known[0]
    given = config["datasets"][first]["split"]
    free = ["train"] if isinstance(given, Mapping) and given.get("generator") else ["validate"]
    chosen = {name: splits for name, splits in feedback["splits"].items() if splits}
    outside = [name for name in chosen if name not in known]
    if outside:
        write = json.dumps({**{name: [] for name in outside}, first: free}).replace('"', "")
        yield (
            f"config: feedback.splits: {', '.join(outside)} {'is' if len(outside) == 1 else 'are'} not of this study "
            f"({', '.join(known)}); an empty list leaves a dataset out, for example splits: {write}"
        )
    elif not chosen:
        yield f"config: feedback.splits: no dataset has a split; write for example splits: {{{first}: [{free[0]}]}}"
    masks = feedback["sets"]["mask_dataset"]
    if any(feedback["sets"]["kinds"].get(kind) for kind in ("mask", "both")):
        yield from _no_masks(config, "feedback.sets.mask_dataset", masks)
    if masks != study["generator_dataset"]:
        yield (
            f"config: feedback.sets.mask_dataset = {masks}: expected study.generator_dataset ({study['generator_dataset']})"
        )
    for name in study["foundation"] if config["base"]["path"] is None else ():
        learned = learned_split(config, name)
        if learned in feedback["splits"].get(name, []):
            yield f"config: feedback.splits.{name}: the foundation model learns from split {learned}; hold out another"


def fit_targets(config: Mapping[str, Any], targets: Mapping[str, Iterable[str]]) -> list[str]:
    """Return those of `targets` (target: parts that it needs) whose parts fit the study."""
    return [name for name, parts in targets.items() if not any(list(part_faults(config, part)) for part in parts)]
