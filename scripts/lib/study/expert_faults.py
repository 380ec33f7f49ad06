"""Faults of section `experts` that no schema sees. Imported with the Snakefile, so it must stay light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.core.nearest import did_you_mean
from scripts.lib.study.arms import VOTERS


def expert_faults(config: Mapping[str, Any]) -> list[str]:
    """Return one fault for each key that cannot be met."""
    experts = config["experts"]
    names, faults = experts["names"], []
    known = [*VOTERS, *experts["own"]]
    faults += [
        f"config: experts.names: {name}: no such expert{did_you_mean(name, known)}; known are {', '.join(known)} (experts.own adds others)"
        for name in names
        if name not in known
    ]
    faults += [
        f"config: experts.own.{name}: this is the name of an expert of the workflow; give it another one"
        for name in experts["own"]
        if name in VOTERS
    ]
    paths: dict[str, str] = {}
    for name, one in experts["own"].items():
        if name in names and (other := paths.setdefault(one["path"], name)) != name:
            faults.append(
                f"config: experts.own.{name}.path = {one['path']}: the weights of {other}, too, which would vote twice; take one out"
            )
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
