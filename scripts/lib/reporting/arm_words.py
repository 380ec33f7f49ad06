"""How the trainings of a study show real films and what an arm adds, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.study.arms import ALONE, arm_of


def shown_how(config: Mapping[str, Any], name: str) -> str:
    """Return how the trainings of an arm show what it adds, with the comma before it; "" where they do as all others do."""
    arm = arm_of(config, name)
    mixing = {**config["trials"]["mixing"], **arm.mixing}
    said = ""
    if arm.mixing.get("kind") == ALONE:
        said = "; its models learn from these alone"
    elif arm.mixing.get("kind") == "pretrain":
        said = f", shown alone for the first {100 * mixing['share']:g} % of the steps, and real films alone after them"
    elif arm.mixing:
        said = f", {mixed_how(mixing)}"
    several = len({one for many in config["study"]["multipliers"].values() for one in many if one}) > 1
    return f"{said}, at the largest multiplier alone" if several and arm.cells.get("multipliers") == "largest" else said


def mixed_how(mixing: Mapping[str, Any]) -> str:
    """Return how real films and what is added to them come into a batch, of a trial's section `mixing`."""
    if mixing["kind"] == "balanced":
        return f"{100 * mixing['real_share']:g} % of each batch being real"
    if mixing["kind"] == "pretrain":
        return f"images alone for the first {100 * mixing['share']:g} % of the steps, real films alone after them"
    return "images alone" if mixing["kind"] == ALONE else "real films and images drawn alike"
