"""Settings of two configurations beside each other: those of two studies, or of a study and of the paper that it follows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from scripts.lib.reporting.page.methods import films_of_study
from scripts.lib.study.config import load_study
from scripts.lib.study.reported import PAPERS

ROOT = Path(__file__).resolve().parents[4]
NOT_THERE = "not there"
# Where films lie and what computes is nobody's method.
ELSEWHERE = ("compute.", "study.name")
PLACES = ("root", "reader", "path", "precision", "checkpoint_seconds", "shards", "save_every")


@dataclass(frozen=True)
class ComparedRow:
    """What two studies say of one thing: `changed` where they say something else; `left` and `right` are shown."""

    about: str
    left: str
    right: str
    changed: bool


def setting_rows(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[ComparedRow]:
    """Return one row a key whose value differs, keys of keys written with dots."""
    sides = [dict(_flat(one)) for one in (left, right)]
    keys = dict.fromkeys([*sides[0], *sides[1]])
    both = [(key, *(str(side.get(key, NOT_THERE)) for side in sides)) for key in keys]
    return [ComparedRow(key, one, other, True) for key, one, other in both if one != other]


def _flat(value: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    for key, one in value.items():
        if isinstance(one, Mapping) and one:
            yield from _flat(one, f"{start}{key}.")
        elif not (isinstance(one, float) and math.isnan(one)):
            yield f"{start}{key}", one


def paper_of(config: Mapping[str, Any]) -> str:
    """Return the overlay with the settings of the paper that a study follows, by the generators of its arms."""
    used = {config["arms"][name].get("generator") for name in config["study"]["arms"]}
    return next((file for generator, file in PAPERS.items() if generator in used), PAPERS[""])


def paper_rows(config: Mapping[str, Any]) -> list[ComparedRow]:
    """Return one row a setting that the overlay of the paper has otherwise.

    Where films lie and what computes is left out, and datasets that only one of the two uses.
    """
    paper = _overlaid(paper_of(config))
    both = [f"datasets.{name}." for name in films_of_study(config) if name in films_of_study(paper)]
    return [row for row in setting_rows(config, paper) if _of_method(row.about, tuple(both))]


def _of_method(key: str, datasets: tuple[str, ...]) -> bool:
    if key.startswith(ELSEWHERE) or set(key.split(".")) & set(PLACES):
        return False
    return key.startswith(datasets) if key.startswith("datasets.") else True


@cache
def _overlaid(file: str) -> dict[str, Any]:
    return load_study([ROOT / "config.yaml", ROOT / file])
