"""Faults of a search space: dotted keys of section class_ldm, each with a range or a list of choices.

Imported with the Snakefile, so it must stay light: no numpy, pandas, torch or optuna.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.lib.study.schema import value_faults

ROOTS = ("class_ldm.unet.", "class_ldm.diffusion.")  # what a proposal trains; the autoencoder is the same for all
FIXED = ("steps", "train_timesteps")  # a search gives all proposals the same number


def space_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each key of search.space that does not exist, or whose prior does not fit it or holds what it cannot."""
    for key, prior in config["search"]["space"].items():
        where = f"config: search.space: {key}"
        *path, name = key.split(".")
        if not key.startswith(ROOTS) or len(path) != 2 or name in FIXED:
            yield f"{where}: not searched; write keys of {' and '.join(root.rstrip('.') for root in ROOTS)}, but not {' or '.join(FIXED)}"
            continue
        section: Any = config
        for part in path:
            section = section[part]
        if name not in section:
            yield f"{where}: no such key; there are {', '.join(sorted(section))}"
            continue
        faults = [] if "choices" in prior else list(_range_faults(where, section[name], prior))
        values = prior["choices"] if "choices" in prior else [prior[end] for end in ("low", "high") if end in prior]
        outside = (line.removeprefix("config: ") for value in values for line in value_faults(key, value))
        yield from faults or [f"{where}: {line}" for line in outside]


def default_faults(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each key of a space without faults whose configured value, the first proposal, lies outside of it."""
    for key, prior in config["search"]["space"].items():
        value: Any = config
        for part in key.split("."):
            value = value[part]
        where = f"config: search.space: {key}: the default {value!r}"
        if "choices" in prior:
            if value not in prior["choices"]:
                yield f"{where} is not among its choices, and every search begins with the defaults"
        elif not prior["low"] <= value <= prior["high"]:
            yield f"{where} lies outside of {prior['low']} to {prior['high']}, and every search begins with the defaults"


def _range_faults(where: str, value: Any, prior: Mapping[str, Any]) -> Iterator[str]:
    low, high = prior.get("low"), prior.get("high")
    if low is None or high is None:
        yield f"{where}: {dict(prior)}; expected low and high, or choices"
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        yield f"{where}: a range from {low} to {high}, but the key holds {value!r}; write choices"
    elif not low < high:
        yield f"{where}: low = {low}, high = {high}; expected low < high"
    elif prior.get("log") and low <= 0:
        yield f"{where}: low = {low} with log: true; expected a number above 0"
    elif isinstance(value, int) and not (isinstance(low, int) and isinstance(high, int)):
        yield f"{where}: low = {low}, high = {high}; the key holds whole numbers, expected the same"
