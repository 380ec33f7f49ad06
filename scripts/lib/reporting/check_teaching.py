"""How often a generator of the study will see each of its films: one that sees few films often gives them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.lib.cohort.looking import Look
from scripts.lib.reporting.check_needs import WARNING, CheckLine
from scripts.lib.study.arms import CLASS, FOUNDATION, Arm, arm_of
from scripts.lib.study.teachers import learned_split

# With 247 passes over 168 real films no more near-copies were found than among films that taught nothing; with 1,600 over 20
# phantom films 199 of 200 images were (docs/fidelity.md).
OFTEN = 500


def few_taught(config: Mapping[str, Any], looks: Sequence[Look]) -> Iterator[CheckLine]:
    """Yield a warning for each generator trained here that will see its films more than OFTEN times.

    looks  at the datasets of the study; a generator some of whose films were not counted yields nothing
    """
    study = config["study"]
    arms = [arm_of(config, name) for name in study["arms"]]
    if config["base"]["path"] is None and any(FOUNDATION in arm.taught_by for arm in arms):
        splits = {name: learned_split(config, name) for name in study["foundation"]}
        yield from _seen_often(config, looks, splits, "base", "the foundation model")
    if any(_follows_classes(arm) for arm in arms):
        splits = {study["generator_dataset"]: "generator"}
        yield from _seen_often(config, looks, splits, "class_ldm", "the class-conditional model")


def _follows_classes(arm: Arm) -> bool:
    return arm.generator is not None and arm.generator.follows == CLASS


def _seen_often(
    config: Mapping[str, Any], looks: Sequence[Look], splits: Mapping[str, str], section: str, what: str
) -> Iterator[CheckLine]:
    counted = {look.name: look.films["split"] for look in looks if len(look.films)}
    if not set(splits) <= set(counted):
        return
    films = sum(int((counted[name] == split).sum()) for name, split in splits.items())
    unet = config[section]["unet"]
    passes = unet["steps"] * unet["batch_size"] * unet["gradient_accumulation"] / films if films else 0
    if passes > OFTEN:
        name, other = next(iter(splits)), ", or name a model that others have trained (base.path)"
        yield CheckLine(
            WARNING,
            name if len(splits) == 1 else config["study"]["name"],
            f"{what} learns from {films} film{'s' if films > 1 else ''} and sees each some {round(passes, -2):,.0f} times: its "
            "images will be near-copies of them",
            f"give it more films (datasets.{name}.split){other if section == 'base' else ''}, and let make evidence count the copies",
        )
