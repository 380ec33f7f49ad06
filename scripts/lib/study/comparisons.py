"""Which arms are held against each other, beside each against the real films alone.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import REAL, Arm, arm_of

Pair = tuple[str, str]


def comparisons(config: Mapping[str, Any]) -> list[Pair]:
    """Return the pairs (arm, against) of `statistics.comparisons`; null stands for those that the arms of the study suggest.

    These are: an arm with a filter against all images of its generator, an arm with a tuned generator against the untuned
    one, an arm with a mixing of its own against the same images mixed as usual, and the untuned, unfiltered arm against each
    control, which adds other films than a generator's; a control with a mixing of its own has beside it the images that are mixed
    so. Raises InputError for an arm that the study does not run.
    """
    given = config["statistics"]["comparisons"]
    names = config["study"]["arms"]
    if given is None:
        return _suggested({name: arm_of(config, name) for name in names}, config["arms"])
    for arm, against in given:
        for name in (arm, against):
            if name not in names:
                known = ", ".join(names) or "none"
                why = "it stands against every arm by itself" if name == REAL else "it is no arm of this study"
                raise InputError(f"config: statistics.comparisons: {name}: {why}; write two of study.arms ({known})")
        if arm == against:
            raise InputError(f"config: statistics.comparisons: {arm} against itself; name two arms")
    return [(arm, against) for arm, against in given]


def _suggested(arms: Mapping[str, Arm], sections: Mapping[str, Any]) -> list[Pair]:
    """Return the pairs that follow from what each arm has beside or instead of the plain one."""
    mixed = {name for name in arms if sections[name].get("mixing")}
    generated = [arm for name, arm in arms.items() if arm.generator and name not in mixed]
    plain = [arm for arm in generated if arm.filter is None]
    # The generator that learned from the foundation alone is the one that the others were tuned from.
    untuned = min(plain, key=lambda arm: len(arm.taught_by), default=None)
    pairs: list[Pair] = []
    for name, arm in arms.items():
        alike = (one for one in plain if one.generator == arm.generator)
        same = min(alike, key=lambda one: one.masks != arm.masks, default=untuned)
        if name in mixed and arm.generator is None and (mixed_so := _mixed_alike(name, arms, sections)):
            pairs.append((mixed_so, name))
            continue
        if name in mixed:
            same = next((one for one in generated if _alike(one, arm)), same)
        elif arm.generator is None:
            if untuned:
                pairs.append((untuned.name, name))
            continue
        elif arm.filter is None:
            same = untuned
        if same and same.name != name:
            pairs.append((name, same.name))
    return pairs


def _mixed_alike(name: str, arms: Mapping[str, Arm], sections: Mapping[str, Any]) -> str:
    """Return the first arm with a generator whose images are mixed as what `name` adds, "" without one."""
    wanted = sections[name]["mixing"]
    return next((other for other, arm in arms.items() if arm.generator and sections[other].get("mixing") == wanted), "")


def _alike(one: Arm, other: Arm) -> bool:
    return one.generator == other.generator and one.filter == other.filter
