"""What each image of a trial shows, by position: its kind and its label. Every prefix of a plan is as balanced as the whole."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts.lib.conditions.mask_sources import MaskSources
from scripts.lib.conditions.prompts import balancing_labels, label_prompts, spread
from scripts.lib.conditions.subset import Subset
from scripts.lib.core.errors import InputError
from scripts.lib.study.tasks import of_structures, unusable_kind

KINDS = ("text", "mask", "both", "class")
TEXT, MASK, BOTH, CLASS = range(len(KINDS))
WITHOUT_MASK, WITHOUT_TEXT = (TEXT, CLASS), (MASK, CLASS)
AS_SUBSET = "subset"  # positive_share: that of the trial's own training films


@dataclass(frozen=True)
class ImagePlan:
    """What each position of a trial shows: its kind and its label, both (P,).

    `kind` numbers KINDS; `label` numbers `targets`, with len(targets) for a film without finding.
    """

    trial: int
    kind: np.ndarray
    label: np.ndarray
    targets: list[str]
    prompts: list[str]


def plan_kinds(settings: Mapping[str, Any], length: int) -> np.ndarray:
    """Return the kind of each of `length` images, int (length,), in the shares of `settings["kinds"]`; raises InputError."""
    shares = {name: float(settings["kinds"].get(name, 0)) for name in KINDS}
    if shares["class"] == 1 and sum(shares.values()) == 1:
        if of_structures(settings):
            raise InputError(
                f"a generator that follows classes draws no masks, and an image without a mask cannot train a {settings['task']}; "
                "leave the dataset out of arms.*.cells.datasets"
            )
        return np.full(length, CLASS)
    if shares["class"]:
        raise InputError(
            f"conditions.kinds.class = {shares['class']}: a generator makes images of classes alone, or none"
        )
    if abs(sum(shares.values()) - 1) > 1e-6 or min(shares.values()) < 0:
        raise InputError(f"conditions.kinds = {dict(settings['kinds'])}: expected shares of {KINDS} that sum to 1")
    if unusable := unusable_kind(settings, shares):
        raise InputError(f"conditions.kinds.{unusable[0]}: {unusable[1]}; set it to 0")
    kind = np.full(length, TEXT)
    with_mask = ~spread(shares["text"], length)
    mask_share = shares["mask"] / (shares["mask"] + shares["both"]) if shares["text"] < 1 else 0.0
    kind[with_mask] = np.where(spread(mask_share, int(with_mask.sum())), MASK, BOTH)
    return kind


def plan_images(
    subset: Subset, sources: MaskSources | None, kind: np.ndarray, targets: list[str], settings: Mapping[str, Any]
) -> ImagePlan:
    """Return what each position shows. `sources` are None where no image is made from a mask.

    The labels of the films that are learned from count as real films, where `balance` is with_real.
    """
    normal = spread(_normal_share(sources, settings, subset.trial), len(kind))
    label = np.full(len(kind), len(targets))
    counts = [0] * len(targets)
    if settings["balance"] == "with_real" and not of_structures(settings):
        counts = subset.positives(targets)
    usable = _usable(sources, targets, settings, subset.trial)
    label[~normal] = np.array(usable)[balancing_labels([counts[k] for k in usable], int((~normal).sum()))]
    prompts = [""] * (len(targets) + 1)
    if not np.isin(kind, WITHOUT_TEXT).all():
        prompts = label_prompts(settings["prompts"], targets, bool(normal.any()))
    return ImagePlan(subset.trial, kind, label, targets, prompts)


def _usable(sources: MaskSources | None, targets: list[str], settings: Mapping[str, Any], trial: int) -> list[int]:
    """Return the numbers of the targets that images can show: of several structures those that a film of the trial shows."""
    every = list(range(len(targets)))
    if sources is None or not of_structures(settings) or len(targets) == 1:
        return every
    shown = [number for number in every if sources.shows(targets[number])]
    if lacking := [targets[number] for number in every if number not in shown]:
        consequence = "so no image shows it" if shown else "and it shows no other target"
        print(f"trial {trial}: no film that is learned from shows {', '.join(lacking)}, {consequence}", file=sys.stderr)
    return shown or every


def _normal_share(sources: MaskSources | None, settings: Mapping[str, Any], trial: int) -> float:
    """Return the share of images without finding; for a task of structures those whose mask shows none of them."""
    if not of_structures(settings):
        return float(settings["normal_share"])
    share = settings["positive_share"]
    if share != AS_SUBSET or sources is None:
        return 1 - (1.0 if share == AS_SUBSET else share)
    shown, usable = sources.positive_share()
    if shown < 1 and not usable:
        print(
            f"trial {trial}: {1 - shown:.0%} of the films that are learned from do not show the target, but none of them "
            "has another structure that could be its mask; so all images show the target",
            file=sys.stderr,
        )
    return 1 - shown if usable else 0.0
