"""Faults of keys that bring films or images of elsewhere to a dataset's trials: trials.external, trials.images, arms.*.cohort.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.lib.study.arms import arm_of
from scripts.lib.study.shared import store_of
from scripts.lib.study.tasks import of_structures, targets_of

Config = Mapping[str, Any]


def cohort_faults(config: Config) -> Iterator[str]:
    """Yield one fault for each cohort or arm that these keys cannot name; names that do not exist are another fault."""
    for name, others in config["trials"]["external"].items():
        for other in others:
            where = f"config: trials.external.{name}"
            if other == name:
                yield f"{where}: {name} itself; name other cohorts, its own test films are always tested"
            else:
                yield from _other_films(config, where, name, other)
    for name in config["study"]["arms"]:
        yield from _arm_faults(config, name)
    for name, arms in config["trials"]["images"].items():
        if name in config["study"]["datasets"]:
            yield from _image_faults(config, name, arms)


def _other_films(config: Config, where: str, name: str, other: str) -> Iterator[str]:
    """Yield a fault where the films of another dataset cannot serve a dataset's models: not of the study, another label."""
    study, sections = config["study"], config["datasets"]
    known = list(dict.fromkeys([*study["datasets"], *study["foundation"], study["generator_dataset"]]))
    masks = of_structures(sections[name])
    key = "structures" if masks else "labels"
    if other not in known:
        yield f"{where}: {other} is not of this study; write some of {', '.join(known)}, or add it to study.datasets"
    # A dataset of masks that lists no structures has all that its tables hold.
    elif (has := sections[other].get(key)) is None and (of_structures(sections[other]) or not masks):
        return
    elif missing := [one for one in targets_of(sections[name]) if one not in (has or [])]:
        known_there = ", ".join(has or ["none"])
        yield f"{where}: {other} has no {key[:-1]} {', '.join(missing)} ({key}: {known_there}); leave it out"


def _arm_faults(config: Config, arm: str) -> Iterator[str]:
    """Yield faults of an arm that adds the films of another dataset, in each dataset where it runs."""
    other = config["arms"][arm].get("cohort")
    if other is None:
        return
    where = f"config: arms.{arm}.cohort"
    for name in config["arms"][arm].get("cells", {}).get("datasets", config["study"]["datasets"]):
        if store_of(config, other) == store_of(config, name):
            yield (
                f"{where} = {other}: the films of {name} itself; name another dataset (source: extra-real adds other films of its "
                f"own), or leave {name} out of arms.{arm}.cells.datasets"
            )
        else:
            yield from _other_films(config, where, name, other)


def _image_faults(config: Config, name: str, arms: list[str]) -> Iterator[str]:
    """Yield faults of the arms on whose images a dataset's models are to be tested."""
    study, where = config["study"], f"config: trials.images.{name}"
    if arms and study["trials"] < 2:
        yield f"{where}: study.trials is 1, and no model is tested on images of its own trial; raise study.trials"
    for arm in arms:
        own = arm_of(config, arm)
        if own.generator is None:
            made = ", ".join(one for one in study["arms"] if arm_of(config, one).generator) or "none"
            yield f"{where}: {arm}: no generator makes its images; write some of {made}"
        elif arm not in study["arms"]:
            yield f"{where}: {arm}: not among study.arms, so it has no images; add it there, or leave it out"
        else:
            wanted = study["multipliers"]
            runs = [f for f in study["fractions"] if own.covers(name, f) and own.multipliers(wanted[f"{f:g}"], f)]
            if lacking := [f"{f:g}" for f in study["fractions"] if f not in runs]:
                yield (
                    f"{where}: {arm} does not run at fraction {', '.join(lacking)}, so it has no images there; name an arm that "
                    f"runs at all of study.fractions"
                )
