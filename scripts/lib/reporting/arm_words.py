"""How the trainings of a study show real films and what an arm adds, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.downstream.settings import PRETRAIN
from scripts.lib.study.arms import ALONE, arm_of


def shown_how(config: Mapping[str, Any], name: str) -> str:
    """Return how the trainings of an arm show what it adds, with the semicolon before it; "" where they do as all others do."""
    arm = arm_of(config, name)
    said = f"; {mixed_how({**config['trials']['mixing'], **arm.mixing})}" if arm.mixing else ""
    several = len({one for many in config["study"]["multipliers"].values() for one in many if one}) > 1
    return f"{said}, at the largest multiplier alone" if several and arm.cells.get("multipliers") == "largest" else said


def mixed_how(mixing: Mapping[str, Any]) -> str:
    """Return how real films and what is added to them come into a batch, of a trial's section `mixing`."""
    if mixing["kind"] == "balanced":
        return f"{100 * mixing['real_share']:g} % of each batch being real"
    if mixing["kind"] == PRETRAIN:
        return (
            f"what is added alone for the first {100 * mixing['share']:g} % of the steps, real films alone after them"
        )
    return "what is added and no real film" if mixing["kind"] == ALONE else "real films and what is added drawn alike"
