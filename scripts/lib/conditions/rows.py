"""The rows of one trial's conditions: texts and transformed masks as its plan asks, identities, sample numbers, labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.conditions.mask_sources import MaskSources, needs_structures
from scripts.lib.conditions.masks import different_transforms, transform_text
from scripts.lib.conditions.plan import CLASS, KINDS, WITHOUT_MASK, WITHOUT_TEXT, ImagePlan
from scripts.lib.conditions.prompts import NORMAL, SIDES, with_side
from scripts.lib.conditions.sides import OTHER_SIDE
from scripts.lib.core.seeds import content_hash, rng

TEXTS = ("condition_id", "kind", "prompt", "mask_source", "transform", "side")
TRIAL_SAMPLES = 10**9  # sample numbers that each trial has for itself, more than any pool has images


def make_rows(
    plan: ImagePlan,
    sources: MaskSources | None,
    magnitudes: Mapping[str, Any],
    stream: tuple[object, ...],
    labels: Sequence[str],
    structures: Sequence[str],
) -> pd.DataFrame:
    """Return one trial's rows by position, with the table's final columns and types.

    magnitudes          the setting `transforms`: how masks are changed
    stream              what seeds the order of the masks and their transforms
    labels, structures  those of the cohort: a column for each label
    """
    parts = [_text_rows(plan)]
    if sources is not None:
        parts.append(_mask_rows(plan, sources, magnitudes, stream))
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
    rows = _number_samples(_identify(rows.sort_values("position", kind="stable", ignore_index=True)))
    return _finish(rows, plan, labels, structures)


def _text_rows(plan: ImagePlan) -> pd.DataFrame:
    position = np.flatnonzero(np.isin(plan.kind, WITHOUT_MASK))
    return _frame(plan, position, _alternate(plan, position))


def _alternate(plan: ImagePlan, position: np.ndarray) -> np.ndarray:
    """Return a side for each position whose prompt names one, left and right in turn within each label."""
    turn = pd.Series(plan.label[position]).groupby(plan.label[position]).cumcount().to_numpy()
    sided = np.array(["{side}" in prompt for prompt in plan.prompts] + [False])[plan.label[position]]
    return np.where(sided, np.array(SIDES, dtype=object)[turn % 2], np.array(None, dtype=object))


def _mask_rows(
    plan: ImagePlan, sources: MaskSources, magnitudes: Mapping[str, Any], stream: tuple[object, ...]
) -> pd.DataFrame:
    """Return the rows of one trial that have a mask; every prefix uses the masks evenly."""
    position = np.flatnonzero(~np.isin(plan.kind, WITHOUT_MASK))
    needs = needs_structures(plan.label[position], plan.targets, sources.structures)
    chosen = sources.take(needs, rng(*stream, "order"))
    resized = [name for name in plan.targets if name in sources.structures]
    # Row k of the uniforms depends on k alone, so a longer table begins with the shorter one.
    uniforms = rng(*stream, "transforms").random((len(position), 4))
    transforms, which = different_transforms(uniforms, magnitudes, sources.size, resized)
    flipped = np.array([transform.get("flip", False) for transform in transforms], dtype=bool)[which]
    side = sources.side[chosen, np.maximum(needs - 1, 0)]
    side = np.where(flipped, np.array([OTHER_SIDE.get(name) for name in side], dtype=object), side)
    side = np.where(needs > 0, side, _alternate(plan, position))
    rows = _frame(plan, position, side)
    rows["mask_source"] = sources.image_id[chosen]
    rows["mask_sha256"] = sources.sha256[chosen]
    rows["transform"] = np.array([transform_text(transform) for transform in transforms], dtype=object)[which]
    rows["present"] = sources.present[chosen]
    return rows


def _frame(plan: ImagePlan, position: np.ndarray, side: np.ndarray) -> pd.DataFrame:
    kind = plan.kind[position]
    prompts = {
        (number, name): with_side(text, name) for number, text in enumerate(plan.prompts) for name in (*SIDES, None)
    }
    text = [
        None if silent else prompts[label, name]
        for silent, label, name in zip(np.isin(kind, WITHOUT_TEXT), plan.label[position].tolist(), side)
    ]
    names = np.array([class_text(name) for name in (*plan.targets, NORMAL)], dtype=object)
    return pd.DataFrame(
        {
            "position": position,
            "trial": plan.trial,
            "kind": np.array(KINDS, dtype=object)[kind],
            "prompt": np.array(text, dtype=object),
            "shown": np.where(kind == CLASS, names[plan.label[position]], None),
            "mask_source": None,
            "mask_sha256": None,
            "transform": None,
            "side": side,
            "present": 0,
        }
    )


def _identify(table: pd.DataFrame) -> pd.DataFrame:
    """Add condition_id: the hash of what an image is made from, never of where it stands."""
    said = table["prompt"].where(table["shown"].isna(), table["shown"])  # a class stands for the text that it has not
    columns = (said, table["mask_sha256"], table["transform"])
    parts = [pd.factorize(column.fillna("").astype(object)) for column in columns]
    together = np.ravel_multi_index([code for code, _ in parts], [len(texts) for _, texts in parts])
    _, first, code = np.unique(together, return_index=True, return_inverse=True)
    keys = zip(*(texts[numbers[first]] for numbers, texts in parts))
    names = np.array([condition_id(*key) for key in keys], dtype=object)
    return table.assign(condition_id=names[code])


def condition_id(prompt: str | None, mask_sha256: str | None, transform: str | None) -> str:
    """Return the identity of a condition: its text, the hash of its source mask, and the mask's transform as JSON."""
    return content_hash(prompt or "", mask_sha256 or "", transform or "")


def class_text(name: str) -> str:
    """Return what stands in the identity of a condition for the text that a class has not."""
    return f"{KINDS[CLASS]} {name}"


def class_condition(name: str) -> str:
    """Return the identity of a condition that is a class."""
    return condition_id(class_text(name), None, None)


def _number_samples(table: pd.DataFrame) -> pd.DataFrame:
    """Add sample, which tells repeats of one condition_id apart: 0, 1, 2... in trial 0, from 10^9 in trial 1, and so on.

    So no two rows are the same image, and a trial's numbers depend on neither multipliers nor the number of trials.
    `table`: one trial's rows, by position.
    """
    repeat = table.groupby("condition_id", sort=False).cumcount()
    return table.assign(sample=table["trial"] * TRIAL_SAMPLES + repeat)


def _finish(table: pd.DataFrame, plan: ImagePlan, labels: Sequence[str], structures: Sequence[str]) -> pd.DataFrame:
    """Return one trial's rows by position with their final columns and types, labels included."""
    label, mask_only = plan.label[table["position"]], (table["kind"] == "mask").to_numpy()
    has_mask = table["mask_source"].notna().to_numpy()
    names = [*plan.targets, NORMAL]
    out = table[["condition_id", "position", "trial", "sample", "kind", "prompt", "mask_source", "transform"]].copy()
    for column in labels:
        value = pd.array(np.array([name == column for name in names])[label].astype("int8"), dtype="Int8")
        if column in structures:
            shown = (table["present"].to_numpy() >> structures.index(column)) & 1
            value[has_mask] = shown[has_mask].astype("int8")
        else:
            value[mask_only] = pd.NA  # a mask says nothing about a disease that is not drawn in it
        out[column] = value
    out["side"] = table["side"]
    return out.astype({"position": "int64", "trial": "int64", "sample": "int64"} | dict.fromkeys(TEXTS, "string"))
