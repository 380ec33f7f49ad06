"""Faults of section `experts` that no schema sees. Imported with the Snakefile, so it must stay light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def expert_faults(config: Mapping[str, Any]) -> list[str]:
    """Return one fault for each key that cannot be met."""
    experts = config["experts"]
    names, faults = experts["names"], []
    if experts["need"] > len(names):
        faults.append(
            f"config: experts.need: {experts['need']} votes, but experts.names has {len(names)}; lower it, or name more"
        )
    faults += [
        f"config: experts.must: {name} is not in experts.names ({', '.join(names)}); add it there"
        for name in experts["must"]
        if name not in names
    ]
    return faults
