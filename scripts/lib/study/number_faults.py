"""Numbers of a configuration that do not go together, one line each: what a step would refuse hours later.

Each is looked at inside of its own section alone, so that a key which a study sets is held against what it stands beside.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.lib.study.kind_faults import kinds_of
from scripts.lib.study.tasks import TASKS

# Pairs of a lower and a higher number, and whether the two may be equal.
RISING = {
    "sampling.guidance_interval": True,
    "masks.sampling.guidance_interval": True,
    "dpo.timesteps": False,
}
BETAS = ("base.diffusion", "class_ldm.diffusion")
WIDTHS = ("base.vae", "base.unet", "class_ldm.autoencoder", "class_ldm.unet")
TEXTS = ("base.text", "mgca.text", "proxy.train.text")
SUM = 1e-6  # how far shares may be from 1


def number_faults(config: Mapping[str, Any]) -> list[str]:
    """Return one line for each pair out of order, width that nothing divides, weight of nothing, and shares that miss 1."""
    faults = [*_pair_faults(config), *_width_faults(config), *_weight_faults(config)]
    for name, section in config["datasets"].items():
        faults += _dataset_faults(config, name, section)
    return [f"config: {line}" for line in faults]


def _at(config: Mapping[str, Any], key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = value[part]
    return value


def _pair_faults(config: Mapping[str, Any]) -> Iterator[str]:
    for key, equal in RISING.items():
        yield from _pair(key, _at(config, key), equal)
    for key in BETAS:
        section = _at(config, key)
        if section["beta_start"] > section["beta_end"]:
            yield (
                f"{key}.beta_start = {section['beta_start']} and beta_end = {section['beta_end']}: noise must not fall; write "
                "the smaller one first"
            )


def _pair(key: str, pair: list[float], equal: bool = True) -> Iterator[str]:
    low, high = pair
    if low > high or (low == high and not equal):
        yield f"{key} = {pair}: expected the lower number first{'' if equal else ', and the other above it'}"


def _width_faults(config: Mapping[str, Any]) -> Iterator[str]:
    for key in WIDTHS:
        section = _at(config, key)
        channels, groups = section["channels"], section["norm_groups"]
        if odd := [width for width in channels if width % groups]:
            yield f"{key}.norm_groups = {groups}: does not divide the width {odd[0]} of channels = {channels}"
        attention = section["attention"]
        if isinstance(attention, list) and len(attention) != len(channels):
            yield (
                f"{key}.attention = {attention}: expected true or false for each of the {len(channels)} levels of channels"
            )
    for key in TEXTS:
        hidden, heads = _at(config, key)["hidden"], _at(config, key)["heads"]
        if hidden % heads:
            yield f"{key}.heads = {heads}: does not divide hidden = {hidden}"


def _weight_faults(config: Mapping[str, Any]) -> Iterator[str]:
    if not any(config["mgca"]["losses"].values()):
        yield "mgca.losses: every weight is 0, so nothing is learned; give one of them a weight"
    preferences = config["feedback"]["preferences"]
    if preferences["heldout"] + preferences["report"] >= 1:
        yield (
            f"feedback.preferences.heldout = {preferences['heldout']} and report = {preferences['report']}: nothing is left "
            "to learn from; expected a sum below 1"
        )
    for task in TASKS:
        if kinds := config["conditions"].get(task, {}).get("kinds"):
            yield from _shares(f"conditions.{task}.kinds", kinds)
        if (loss := config["trials"].get(task, {}).get("loss")) and not any(loss.values()):
            yield f"trials.{task}.loss: every weight is 0, so nothing is learned; give one of them a weight"


def _shares(where: str, shares: Mapping[str, float]) -> Iterator[str]:
    if abs(sum(shares.values()) - 1) > SUM:
        yield f"{where} = {dict(shares)}: expected shares that sum to 1, not to {sum(shares.values()):g}"


def _dataset_faults(config: Mapping[str, Any], name: str, section: Mapping[str, Any]) -> Iterator[str]:
    where, phantom = f"datasets.{name}", section.get("phantom") or {}
    if "percentiles" in section:
        yield from _pair(f"{where}.percentiles", section["percentiles"], equal=False)
    for key in ("films_per_patient", "test_films_per_patient", "ages"):
        value = phantom.get(key) or []
        if len(value) == 1:
            yield f"{where}.phantom.{key} = {value}: expected the least and the most"
        elif value:
            yield from _pair(f"{where}.phantom.{key}", value)
    for key in ("prevalence", "test_prevalence"):
        if (total := sum(phantom.get(key, {}).values())) > 1 + SUM:
            yield f"{where}.phantom.{key}: adds up to {total:g}; main findings of a visit are shares of at most 1 together"
    if (section.get("conditions") or {}).get("kinds"):
        yield from _shares(f"{where}.conditions.kinds", kinds_of(config, name))
