"""Which real films the simulated raters learn to judge from, and what they are told about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.masks import side_of
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.feedback.caption_rules import mentions
from scripts.lib.feedback.truth import ArtefactJudge, FindingJudge, MaskJudge

TEST = "test"  # the films that downstream models are tested on
SIDE_VALUES = {"left": 1, "right": -1}


@dataclass(frozen=True)
class Judges:
    """What simulated raters judge by."""

    findings: FindingJudge
    mask: MaskJudge
    artefact: ArtefactJudge


def judge_films(cohorts: Sequence[Cohort], sets: pd.DataFrame, settings: Mapping[str, Any], seed: int) -> list[Cohort]:
    """Return the films that teach the judges of findings and of masks; see learn_judges."""
    by_name = {str(cohort.meta.get("dataset")): cohort for cohort in cohorts}
    shown, most = _shown_films(sets), settings["films"]
    return [_chosen(by_name, shown, settings[part], part, most, seed) for part in ("findings", "masks")]


def learn_judges(cohorts: Sequence[Cohort], sets: pd.DataFrame, settings: Mapping[str, Any], seed: int) -> Judges:
    """Learn the judges from real films that no set shows.

    `settings`: findings and masks {dataset, splits}, films = most films of each. Findings and their sides come from
    labels and reports of the first, what it does not label from masks of the second; masks from the second alone.
    Raises InputError for a cohort that is not given, the split `test`, films of the sets, or nothing that can be told.
    """
    labelled, masked = judge_films(cohorts, sets, settings, seed)
    findings = FindingJudge()
    images = labelled.images(slice(None))
    findings.learn(images, _labels(labelled), _told_sides(labelled))
    findings.learn(masked.images(slice(None)), *_drawn(masked))
    if not findings.findings:
        raise InputError(f"simulation.judge: none of {labelled.labels} can be told on {len(labelled)} films; give more")
    fields = masked.masks(slice(None))
    mask = MaskJudge(masked.images(slice(None)), fields, masked.structures)
    return Judges(findings, mask, ArtefactJudge(np.concatenate([images, masked.images(slice(None))])))


def _shown_films(sets: pd.DataFrame) -> set[str]:
    films = {image for text in sets["films"].dropna() for image in json.loads(text)}
    return films | set(sets["mask_source"].dropna())


def _chosen(
    by_name: Mapping[str, Cohort], shown: set[str], source: Mapping[str, Any], part: str, most: int, seed: int
) -> Cohort:
    """Return the films that one judge learns from, at most `most`, by image_id."""
    name, splits = source["dataset"], list(source["splits"])
    if name not in by_name:
        raise InputError(f"simulation.judge.{part}.dataset = {name!r}: not among the cohorts given, {sorted(by_name)}")
    if TEST in splits:
        raise InputError(f"simulation.judge.{part}.splits: {TEST} films judge the downstream models; name other splits")
    cohort = by_name[name]
    rows = np.flatnonzero(cohort.index["split"].isin(splits).to_numpy())
    ids = cohort.index["image_id"].iloc[rows]
    seen = ids[ids.isin(shown)]
    if len(seen):
        raise InputError(
            f"simulation.judge.{part}: {len(seen)} of its films are in the sets, e.g. {seen.iloc[0]}; choose other splits"
        )
    if not len(rows):
        raise InputError(f"simulation.judge.{part}: no film of {name} in splits {splits}")
    rows = rows[np.argsort(ids.to_numpy(dtype=str), kind="stable")]
    rows = rows[np.sort(rng(seed, "simulation", "judge", part).permutation(len(rows))[:most])]
    return cohort.select(rows)


def _labels(cohort: Cohort) -> dict[str, np.ndarray]:
    return {name: cohort.index[name].to_numpy(dtype=float, na_value=np.nan) for name in cohort.labels}


def _told_sides(cohort: Cohort) -> dict[str, np.ndarray]:
    """Return the sides that the reports name: {label: +1, -1, or 0 where not known, (n,)}."""
    sides = {name: np.zeros(len(cohort)) for name in cohort.labels}
    for row, report in enumerate(cohort.index["report"]):
        for mention in mentions(report):
            if mention.label in sides:
                sides[mention.label][row] = SIDE_VALUES.get(mention.side or "", 0)
    return sides


def _drawn(cohort: Cohort) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return, for each structure but lungs and heart, whether and on which side it is drawn."""
    lungs = cohort.mask(slice(None), "lungs") if "lungs" in cohort.structures else [None] * len(cohort)
    present, sides = {}, {}
    for name in cohort.structures:
        if name in ("lungs", "heart"):
            continue
        masks = cohort.mask(slice(None), name)
        present[name] = masks.any(axis=(1, 2)).astype(float)
        sides[name] = np.array([SIDE_VALUES.get(side_of(mask, lung) or "", 0) for mask, lung in zip(masks, lungs)])
    return present, sides
