"""Faults of what images are made from (`conditions.TASK.kinds`), one line each: what the generator or the task cannot use.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.lib.study.arms import Arm, arm_of
from scripts.lib.study.tasks import TASKS


def kind_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one fault for each arm and dataset whose images are of kinds that the generator or the task cannot use."""
    told = set()
    for arm in (arm_of(config, name) for name in config["study"]["arms"]):
        if arm.generator is None:
            continue
        for name in arm.cells.get("datasets", config["study"]["datasets"]):
            for fault in [*_of_generator(config, arm, name), *_of_task(config, arm, name)]:
                if fault not in told:  # what a task cannot use is the same for all arms
                    yield fault
                told.add(fault)


def _of_generator(config: Mapping[str, Any], arm: Arm, name: str) -> Iterator[str]:
    generator, task = arm.generator, config["datasets"][name]["task"]
    assert generator is not None  # the caller left out arms without one
    if generator.follows and TASKS[task].of_structures:
        yield (
            f"config: arms.{arm.name}.generator = {generator.name}: makes images of classes, which have no "
            f"masks for the {task} of {name}; leave {name} out of arms.{arm.name}.cells.datasets"
        )
    elif not generator.needs_masks and not generator.follows:
        kinds, _ = _kinds(config, name)
        if wanted := [kind for kind in ("mask", "both") if kinds.get(kind)]:
            yield (
                f"config: arms.{arm.name}.generator = {generator.name}: makes images of texts alone, but those of {name} "
                f"are made from masks (conditions.{task}.kinds.{wanted[0]}); write controlnet, or leave {name} out of "
                f"arms.{arm.name}.cells.datasets"
            )


def _of_task(config: Mapping[str, Any], arm: Arm, name: str) -> Iterator[str]:
    if arm.generator is None or arm.generator.follows:
        return
    task, (kinds, where) = config["datasets"][name]["task"], _kinds(config, name)
    if TASKS[task].of_structures and kinds.get("text"):
        yield (
            f"config: {where}.text = {kinds['text']:g}: an image made without a mask cannot train the {task} of {name}: "
            "expected 0, with mask or both in its place"
        )
    if not TASKS[task].of_structures and kinds.get("mask"):
        yield (
            f"config: {where}.mask = {kinds['mask']:g}: a mask alone carries no disease label for the {task} of {name}: "
            "expected 0, with text or both in its place"
        )


def _kinds(config: Mapping[str, Any], name: str) -> tuple[dict[str, float], str]:
    """Return the shares of a dataset's images and the place where they are written."""
    section = config["datasets"][name]
    own = (section.get("conditions") or {}).get("kinds", {})
    where = f"datasets.{name}.conditions.kinds" if own else f"conditions.{section['task']}.kinds"
    return {**config["conditions"].get(section["task"], {}).get("kinds", {}), **own}, where
