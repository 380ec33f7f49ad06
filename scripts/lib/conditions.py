"""The table of conditions: one row for each image to make, in an order of which every multiplier is a prefix.

Text rows carry one disease word and serve every trial (trial = -1). Mask rows carry a transformed mask of the trial's
own subset. Rows of trial t are those with trial -1 or t, by position; multiplier m uses the first m * n_real(t).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.errors import InputError
from scripts.lib.mask_sources import MaskSources, needs_structures, pick_sources
from scripts.lib.masks import OTHER_SIDE, different_transforms, transform_text
from scripts.lib.prompts import NORMAL, SIDES, balancing_labels, label_prompts, spread, with_side
from scripts.lib.seeds import content_hash, rng
from scripts.lib.subsets import check_classes, subset_rows

KINDS = ("text", "mask", "both")
TEXTS = ("condition_id", "kind", "prompt", "mask_source", "transform", "side")
SHARED = -1  # the trial of rows that serve every trial


@dataclass(frozen=True)
class Request:
    """Which conditions to build: names and numbers of the study."""

    dataset: str
    fraction: float
    multiplier: int
    trials: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """What each position shows, the same in all trials: its kind and its label, both (P,).

    `kind` numbers KINDS; `label` numbers `targets`, with len(targets) for a film without finding.
    """

    kind: np.ndarray
    label: np.ndarray
    targets: list[str]
    prompts: list[str]


def build_conditions(
    cohort: Cohort, subsets: pd.DataFrame, settings: Mapping[str, Any], request: Request
) -> pd.DataFrame:
    """Return the conditions table (contract in the module's docstring) of one dataset, fraction and arm.

    `settings`: task, target, kinds, prompts, normal_share, positive_share, balance, transforms. Arms differ by their
    generator, never by their conditions, so the arm has no part in any random draw.
    """
    if request.multiplier < 1 or request.trials < 1:
        raise InputError(f"multiplier {request.multiplier}, trials {request.trials}: expected whole numbers from 1")
    trials = range(request.trials)
    subset = [subset_rows(cohort.index, subsets, trial, request.fraction) for trial in trials]
    targets = _targets(cohort, settings)
    if settings["task"] == "classification":
        check_classes(cohort.index, subsets, trials, request.fraction, targets[0])
    wanted = [request.multiplier * len(rows) for rows in subset]
    plan = _plan(cohort.index, subset, targets, settings, max(wanted))
    parts = [_text_rows(plan)]
    if (plan.kind != KINDS.index("text")).any():
        for trial in trials:
            sources = pick_sources(cohort, subsets, trial, subset[trial], request.fraction, targets)
            parts.append(_mask_rows(plan, wanted[trial], sources, settings, request, trial))
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = _number_samples(_identify(table), [len(rows) for rows in subset])
    return _finish(table, plan, cohort)


def trial_rows(table: pd.DataFrame, trial: int, count: int | None = None) -> np.ndarray:
    """Return the positions in `table` (conditions, or a pool's index) of a trial's first `count` images, in order.

    Raises InputError when there are fewer than `count`; None returns all.
    """
    trials = table["trial"].to_numpy()
    rows = np.flatnonzero((trials == SHARED) | (trials == trial))
    rows = rows[np.argsort(table["position"].to_numpy()[rows], kind="stable")]
    if count is not None and len(rows) < count:
        raise InputError(
            f"trial {trial}: {len(rows)} synthetic images, {count} needed; build and sample more conditions"
        )
    return rows[:count]


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
    index: pd.DataFrame, subset: Sequence[np.ndarray], targets: list[str], settings: Mapping[str, Any], length: int
) -> Plan:
    kind = _kinds(settings, length)
    segmentation = settings["task"] == "segmentation"
    normal_share = 1 - settings["positive_share"] if segmentation else settings["normal_share"]
    normal = spread(normal_share, length)
    label = np.full(length, len(targets))
    counts = [0] * len(targets)
    if settings["balance"] == "with_real" and not segmentation:
        per_trial = [[int((index[name].iloc[rows] == 1).sum()) for name in targets] for rows in subset]
        counts = np.rint(np.mean(per_trial, axis=0)).astype(int).tolist()
    label[~normal] = balancing_labels(counts, int((~normal).sum()))
    prompts = [""] * (len(targets) + 1)
    if (kind != KINDS.index("mask")).any():
        prompts = label_prompts(settings["prompts"], targets, bool(normal.any()))
    return Plan(kind, label, targets, prompts)


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


def _text_rows(plan: Plan) -> pd.DataFrame:
    position = np.flatnonzero(plan.kind == KINDS.index("text"))
    return _frame(plan, position, SHARED, _alternate(plan, position))


def _alternate(plan: Plan, position: np.ndarray) -> np.ndarray:
    """Return a side for each position whose prompt names one, left and right in turn within each label."""
    turn = pd.Series(plan.label[position]).groupby(plan.label[position]).cumcount().to_numpy()
    sided = np.array(["{side}" in prompt for prompt in plan.prompts] + [False])[plan.label[position]]
    return np.where(sided, np.array(SIDES, dtype=object)[turn % 2], None)


def _mask_rows(
    plan: Plan, length: int, sources: MaskSources, settings: Mapping[str, Any], request: Request, trial: int
) -> pd.DataFrame:
    """Return the rows of one trial that have a mask, positions below `length`; every prefix uses the masks evenly."""
    position = np.flatnonzero(plan.kind[:length] != KINDS.index("text"))
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


def _frame(plan: Plan, position: np.ndarray, trial: int, side: np.ndarray) -> pd.DataFrame:
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


def _number_samples(table: pd.DataFrame, n_real: Sequence[int]) -> pd.DataFrame:
    """Add sample: 0, 1, 2... for repeats of one condition_id, so that no two rows are the same image.

    Repeats are counted multiplier by multiplier, trial by trial: a table with fewer multipliers numbers them alike.
    """
    films = np.where(table["trial"] == SHARED, max(n_real), np.asarray(n_real)[table["trial"].clip(lower=0)])
    depth = table["position"].to_numpy() // films
    order = np.lexsort((table["position"], table["trial"], depth))
    ordered = table.iloc[order]
    return ordered.assign(sample=ordered.groupby("condition_id", sort=False).cumcount())


def _finish(table: pd.DataFrame, plan: Plan, cohort: Cohort) -> pd.DataFrame:
    """Return the rows by position with their final columns and types, labels included."""
    table = table.sort_values(["position", "trial"], kind="stable", ignore_index=True)
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
