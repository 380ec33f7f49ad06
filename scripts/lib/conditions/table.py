"""The table of conditions: one row for each image to make, in an order of which every multiplier is a prefix.

Each trial has rows of its own, by position; multiplier m uses the first m * n_real(t) of trial t. They are made from what
that trial may learn from: its subset without the films that are set aside for validation. Text rows carry one disease
word, mask rows a transformed mask of those films. Trials share no image, so the spread between them holds that of pools.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import check_classes, set_aside, subset_rows
from scripts.lib.conditions.mask_sources import MaskSources, needs_structures, pick_sources
from scripts.lib.conditions.masks import OTHER_SIDE, different_transforms, transform_text
from scripts.lib.conditions.prompts import NORMAL, SIDES, balancing_labels, label_prompts, spread, with_side
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash, rng, trial_seed

KINDS = ("text", "mask", "both")
TEXTS = ("condition_id", "kind", "prompt", "mask_source", "transform", "side")
TRIAL_SAMPLES = 10**9  # sample numbers that each trial has for itself, more than any pool has images
AS_SUBSET = "subset"  # positive_share: that of the trial's own training films


@dataclass(frozen=True)
class TableRequest:
    """Which conditions to build: names and numbers of the study."""

    dataset: str
    fraction: float
    multiplier: int
    trials: int
    seed: int


@dataclass(frozen=True)
class Positions:
    """What each position of a trial shows: its kind and its label, both (P,).

    `kind` numbers KINDS; `label` numbers `targets`, with len(targets) for a film without finding.
    """

    kind: np.ndarray
    label: np.ndarray
    targets: list[str]
    prompts: list[str]


def build_conditions(
    cohort: Cohort, subsets: pd.DataFrame, settings: Mapping[str, Any], request: TableRequest
) -> pd.DataFrame:
    """Return the conditions table (contract in the module's docstring) of one dataset, fraction and arm.

    `settings`: task, target, kinds, prompts, normal_share, positive_share, balance, transforms, and what the trials set
    aside: validation_share, validation_patients. Arms differ by their generator, never by their conditions, so the arm has
    no part in any random draw; nor have the other trials.
    """
    if request.multiplier < 1 or request.trials < 1:
        raise InputError(f"multiplier {request.multiplier}, trials {request.trials}: expected whole numbers from 1")
    trials = range(request.trials)
    targets = _targets(cohort, settings)
    subset = [subset_rows(cohort.index, subsets, trial, request.fraction) for trial in trials]
    if settings["task"] == "classification":
        check_classes(cohort.index, subsets, trials, request.fraction, targets[0])
    parts = [
        _conditions_of_trial(cohort, subsets, subset[trial], targets, settings, request, trial) for trial in trials
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["position", "trial"], kind="stable", ignore_index=True)


def _conditions_of_trial(
    cohort: Cohort,
    subsets: pd.DataFrame,
    subset: np.ndarray,
    targets: list[str],
    settings: Mapping[str, Any],
    request: TableRequest,
    trial: int,
) -> pd.DataFrame:
    """Return the rows of one trial, whose subset are these rows of the cohort."""
    aside = (settings["validation_share"], settings["validation_patients"])
    learned = subset[set_aside(cohort.index, subset, *aside, trial_seed(request.seed, request.dataset, trial))[0]]
    kind, sources = _kinds(settings, request.multiplier * len(subset)), None
    if (kind != KINDS.index("text")).any():
        sources = pick_sources(cohort, subsets, trial, learned, request.fraction, targets)
    normal = _normal_share(settings, sources, trial)
    plan = _plan(cohort.index, learned, targets, settings, normal, kind)
    parts = [_text_rows(plan, trial)]
    if sources is not None:
        parts.append(_mask_rows(plan, sources, settings, request, trial))
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = _number_samples(_identify(table.sort_values("position", kind="stable", ignore_index=True)))
    return _finish(table, plan, cohort)


def _normal_share(settings: Mapping[str, Any], sources: MaskSources | None, trial: int) -> float:
    """Return the share of images without finding; for segmentation those whose mask does not show the target."""
    if settings["task"] != "segmentation":
        return settings["normal_share"]
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


def _targets(cohort: Cohort, settings: Mapping[str, Any]) -> list[str]:
    """Return the labels (or, for segmentation, the structures) that the task is about."""
    target = settings["target"]
    targets = [target] if isinstance(target, str) else list(target)
    known = cohort.structures if settings["task"] == "segmentation" else cohort.labels
    for name in targets:
        if name not in known:
            raise InputError(f"target {name!r}: not in this cohort, which has {known}; correct datasets.*.target")
    return targets


def _plan(
    index: pd.DataFrame,
    learned: np.ndarray,
    targets: list[str],
    settings: Mapping[str, Any],
    normal_share: float,
    kind: np.ndarray,
) -> Positions:
    """Return what each position shows; `learned`: the rows of the index whose labels count as real films."""
    length = len(kind)
    normal = spread(normal_share, length)
    label = np.full(length, len(targets))
    counts = [0] * len(targets)
    if settings["balance"] == "with_real" and settings["task"] != "segmentation":
        counts = [int((index[name].iloc[learned] == 1).sum()) for name in targets]
    label[~normal] = balancing_labels(counts, int((~normal).sum()))
    prompts = [""] * (len(targets) + 1)
    if (kind != KINDS.index("mask")).any():
        prompts = label_prompts(settings["prompts"], targets, bool(normal.any()))
    return Positions(kind, label, targets, prompts)


def _kinds(settings: Mapping[str, Any], length: int) -> np.ndarray:
    shares = {name: float(settings["kinds"].get(name, 0)) for name in KINDS}
    if abs(sum(shares.values()) - 1) > 1e-6 or min(shares.values()) < 0:
        raise InputError(f"conditions.kinds = {dict(settings['kinds'])}: expected shares of {KINDS} that sum to 1")
    segmentation = settings["task"] == "segmentation"
    if segmentation and shares["text"]:
        raise InputError("conditions.kinds.text: an image made without a mask cannot train a segmentation; set it to 0")
    if not segmentation and shares["mask"]:
        raise InputError(
            "conditions.kinds.mask: a mask alone carries no disease label; set it to 0 and use both or text"
        )
    kind = np.zeros(length, dtype=int)
    with_mask = ~spread(shares["text"], length)
    mask_share = shares["mask"] / (shares["mask"] + shares["both"]) if shares["text"] < 1 else 0.0
    kind[with_mask] = np.where(spread(mask_share, int(with_mask.sum())), KINDS.index("mask"), KINDS.index("both"))
    return kind


def _text_rows(plan: Positions, trial: int) -> pd.DataFrame:
    position = np.flatnonzero(plan.kind == KINDS.index("text"))
    return _frame(plan, position, trial, _alternate(plan, position))


def _alternate(plan: Positions, position: np.ndarray) -> np.ndarray:
    """Return a side for each position whose prompt names one, left and right in turn within each label."""
    turn = pd.Series(plan.label[position]).groupby(plan.label[position]).cumcount().to_numpy()
    sided = np.array(["{side}" in prompt for prompt in plan.prompts] + [False])[plan.label[position]]
    return np.where(sided, np.array(SIDES, dtype=object)[turn % 2], np.array(None, dtype=object))


def _mask_rows(
    plan: Positions, sources: MaskSources, settings: Mapping[str, Any], request: TableRequest, trial: int
) -> pd.DataFrame:
    """Return the rows of one trial that have a mask; every prefix uses the masks evenly."""
    position = np.flatnonzero(plan.kind != KINDS.index("text"))
    stream = (request.seed, "conditions", request.dataset, f"{request.fraction:g}", trial)
    needs = needs_structures(plan.label[position], plan.targets, sources.structures)
    chosen = sources.take(needs, rng(*stream, "order"))
    resized = [name for name in plan.targets if name in sources.structures]
    # Row k of the uniforms depends on k alone, so a longer table begins with the shorter one.
    uniforms = rng(*stream, "transforms").random((len(position), 4))
    transforms, which = different_transforms(uniforms, settings["transforms"], sources.size, resized)
    flipped = np.array([transform.get("flip", False) for transform in transforms], dtype=bool)[which]
    side = sources.side[chosen, np.maximum(needs - 1, 0)]
    side = np.where(flipped, np.array([OTHER_SIDE.get(name) for name in side], dtype=object), side)
    side = np.where(needs > 0, side, _alternate(plan, position))
    rows = _frame(plan, position, trial, side)
    rows["mask_source"] = sources.image_id[chosen]
    rows["mask_sha256"] = sources.sha256[chosen]
    rows["transform"] = np.array([transform_text(transform) for transform in transforms], dtype=object)[which]
    rows["present"] = sources.present[chosen]
    return rows


def _frame(plan: Positions, position: np.ndarray, trial: int, side: np.ndarray) -> pd.DataFrame:
    kind = plan.kind[position]
    prompts = {
        (number, name): with_side(text, name) for number, text in enumerate(plan.prompts) for name in (*SIDES, None)
    }
    text = [
        None if mask_only else prompts[label, name]
        for mask_only, label, name in zip(kind == KINDS.index("mask"), plan.label[position].tolist(), side)
    ]
    return pd.DataFrame(
        {
            "position": position,
            "trial": trial,
            "kind": np.array(KINDS, dtype=object)[kind],
            "prompt": np.array(text, dtype=object),
            "mask_source": None,
            "mask_sha256": None,
            "transform": None,
            "side": side,
            "present": 0,
        }
    )


def _identify(table: pd.DataFrame) -> pd.DataFrame:
    """Add condition_id: the hash of what an image is made from, never of where it stands."""
    parts = [pd.factorize(table[column].fillna("").astype(object)) for column in ("prompt", "mask_sha256", "transform")]
    together = np.ravel_multi_index([code for code, _ in parts], [len(texts) for _, texts in parts])
    _, first, code = np.unique(together, return_index=True, return_inverse=True)
    keys = zip(*(texts[numbers[first]] for numbers, texts in parts))
    names = np.array([condition_id(*key) for key in keys], dtype=object)
    return table.assign(condition_id=names[code])


def condition_id(prompt: str | None, mask_sha256: str | None, transform: str | None) -> str:
    """Return the identity of a condition: its text, the hash of its source mask, and the mask's transform as JSON."""
    return content_hash(prompt or "", mask_sha256 or "", transform or "")


def _number_samples(table: pd.DataFrame) -> pd.DataFrame:
    """Add sample, which tells repeats of one condition_id apart: 0, 1, 2... in trial 0, from 10^9 in trial 1, and so on.

    So no two rows are the same image, and a trial's numbers depend on neither multipliers nor the number of trials.
    `table`: one trial's rows, by position.
    """
    repeat = table.groupby("condition_id", sort=False).cumcount()
    return table.assign(sample=table["trial"] * TRIAL_SAMPLES + repeat)


def _finish(table: pd.DataFrame, plan: Positions, cohort: Cohort) -> pd.DataFrame:
    """Return one trial's rows by position with their final columns and types, labels included."""
    label, mask_only = plan.label[table["position"]], (table["kind"] == "mask").to_numpy()
    has_mask = table["mask_source"].notna().to_numpy()
    names = [*plan.targets, NORMAL]
    out = table[["condition_id", "position", "trial", "sample", "kind", "prompt", "mask_source", "transform"]].copy()
    for column in cohort.labels:
        value = pd.array(np.array([name == column for name in names])[label].astype("int8"), dtype="Int8")
        if column in cohort.structures:
            shown = (table["present"].to_numpy() >> cohort.structures.index(column)) & 1
            value[has_mask] = shown[has_mask].astype("int8")
        else:
            value[mask_only] = pd.NA  # a mask says nothing about a disease that is not drawn in it
        out[column] = value
    out["side"] = table["side"]
    return out.astype({"position": "int64", "trial": "int64", "sample": "int64"} | dict.fromkeys(TEXTS, "string"))
