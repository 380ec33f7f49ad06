"""Faults of the section `arms`, and of two sections that would choose among the images of one arm.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.study.arms import GATES, GENERATORS, action_of

# Keys of an arm that one source alone has.
OF_SOURCE = {"cohort": "cohort", "path": "pool", "reader": "pool", "allow_one_class": "pool"}


def arm_faults(config: Mapping[str, Any]) -> list[str]:
    """Return one fault for each arm whose keys do not go with its source."""
    faults = []
    for name, given in config["arms"].items():
        source = given.get("source", "generator")
        if source == "generator" and "generator" not in given:
            faults.append(f"config: arms.{name}: generator is missing; expected one of {', '.join(GENERATORS)}")
        if source == "pool" and "path" not in given:
            faults.append(f"config: arms.{name}: path is missing; expected the folder or table of the images")
        if source == "cohort" and "cohort" not in given:
            faults.append(
                f"config: arms.{name}: cohort is missing; expected the dataset whose training films are added"
            )
        if source != "generator":
            faults += [
                f"config: arms.{name}.{key}: goes with source: generator alone, not with {source}; take it out"
                for key in ("generator", "filter", "candidates", "masks")
                if key in given
            ]
        for key, wanted in OF_SOURCE.items():
            if key in given and source != wanted:
                faults.append(
                    f"config: arms.{name}.{key}: goes with source: {wanted} alone, not with {source}; take it out"
                )
    return faults


def gate_faults(config: Mapping[str, Any]) -> list[str]:
    """Return a fault where two sections drop images: an arm has one filter."""
    dropping = [section for section in GATES if action_of(config, section) == "drop"]
    if len(dropping) < 2:
        return []
    return [f"config: {' and '.join(f'{section}.action' for section in dropping)}: both are drop, but an arm has one filter; drop by one of them"]  # fmt: skip
