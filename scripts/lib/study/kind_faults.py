"""Faults of what images are made from (`conditions.TASK.kinds`), one line each: what the generator or the task cannot use.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.lib.study.arms import Generator, arm_of
from scripts.lib.study.tasks import TASKS, unusable_kind


def kinds_of(config: Mapping[str, Any], dataset: str) -> dict[str, float]:
    """Return the shares of a dataset's images that are made from text, from a mask and from both."""
    section = config["datasets"][dataset]
    own = (section.get("conditions") or {}).get("kinds", {})
    return {**config["conditions"].get(section.get("task"), {}).get("kinds", {}), **own}


def kind_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one fault for each arm and dataset whose images the generator cannot make, and for each task that cannot use them."""
    made = set()  # datasets whose images are made as section conditions says
    for arm in (arm_of(config, name) for name in config["study"]["arms"]):
        if arm.generator is None:
            continue
        for name in arm.cells.get("datasets", config["study"]["datasets"]):
            if not arm.generator.follows:
                made.add(name)
            if why := _cannot_make(config, arm.generator, name):
                yield (
                    f"config: arms.{arm.name}.generator = {arm.generator.name}: {why} leave {name} out of "
                    f"arms.{arm.name}.cells.datasets"
                )
    for name in sorted(made):
        section, kinds = config["datasets"][name], kinds_of(config, name)
        if unusable := unusable_kind(section, kinds):
            kind, why = unusable
            place = f"datasets.{name}" if "kinds" in (section.get("conditions") or {}) else ""
            key = f"{place}.conditions.kinds" if place else f"conditions.{section['task']}.kinds"
            yield f"config: {key}.{kind} = {kinds[kind]:g} for {name}: {why}; expected 0"


def _cannot_make(config: Mapping[str, Any], generator: Generator, name: str) -> str:
    task = config["datasets"][name]["task"]
    if generator.follows:
        without = f"makes images of classes, which have no masks for the {task} of {name};"
        return without if TASKS[task].of_structures else ""
    masked = [kind for kind in ("mask", "both") if kinds_of(config, name).get(kind)]
    if generator.needs_masks or not masked:
        return ""
    return (
        f"makes images of texts alone, but those of {name} are made from masks (conditions.{task}.kinds.{masked[0]}); "
        "write controlnet, or"
    )
