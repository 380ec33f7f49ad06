"""What the trainings read from cohorts: rows of their splits, at the resolution of the model, and a hash of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.learned import films_learned
from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.prompts import TextCell, label_text, null_text
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import content_hash


@dataclass(frozen=True)
class FoundationFilms:
    """Films to learn from: images uint8 (N, H, W), reports (N,) text or missing, and a hash of their content."""

    images: np.ndarray
    reports: list[TextCell]
    content: str


def foundation_rows(index: pd.DataFrame) -> np.ndarray:
    """Return the rows that models of the foundation learn from: split generator where the cohort has one, else train.

    What lies in train beside a generator split belongs to the downstream trials, and no generator may have seen it.
    """
    held = np.flatnonzero((index["split"] == "generator").to_numpy())
    return held if len(held) else np.flatnonzero((index["split"] == "train").to_numpy())


Templates = Mapping[str, Mapping[str, str | None]]  # {dataset: {label: its words}}


def foundation_films(folders: Sequence[Path], resolution: int, templates: Templates | None = None) -> FoundationFilms:
    """Return the foundation rows of several cohorts, in order; raises InputError for a cohort that has none.

    A cohort without any report has the words of its labels in their place, from `templates`.
    """
    reports: list[TextCell] = []
    images, hashes = [], []
    for folder in folders:
        cohort = Cohort.open(folder)
        if cohort.resolution != resolution:
            raise InputError(
                f"{folder}: {cohort.resolution} pixels, expected the study's {resolution}; prepare it anew"
            )
        rows = foundation_rows(cohort.index)
        if not len(rows):
            raise InputError(
                f"{folder}: no row of split generator or train; the foundation model has nothing to learn from"
            )
        taken = cohort.index.iloc[rows]
        images.append(cohort.images(rows))
        texts: Sequence[TextCell] = list(taken["report"])
        if not has_reports(cohort.index):
            texts = label_texts(taken, cohort.labels, (templates or {}).get(str(cohort.meta.get("dataset")), {}))
            log(
                f"{folder}: no report; the words of the labels stand in their place for {_said(texts)} of {len(rows)} films"
            )
        reports += [None if pd.isna(report) else report for report in texts]
        hashes += [f"{pixels} {report}" for pixels, report in zip(taken["sha256"], texts)]
    return FoundationFilms(np.concatenate(images), reports, content_hash(*hashes))


def has_reports(index: pd.DataFrame) -> bool:
    """Whether any film of a cohort has a report that says something."""
    return any(null_text(report) is not None for report in index["report"])


def label_texts(films: pd.DataFrame, labels: Sequence[str], prompts: Mapping[str, str | None]) -> list[str | None]:
    """Return what stands in place of the report of each film, from its labels in the words of `prompts`."""
    columns = [[None if pd.isna(value) else int(value) for value in films[label]] for label in labels]
    return [label_text(dict(zip(labels, values)), prompts) for values in zip(*columns)] or [None] * len(films)


def _said(texts: Sequence[TextCell]) -> int:
    return sum(text is not None for text in texts)


def foundation_learned(folders: Sequence[Path], role: str) -> list[pd.DataFrame]:
    """Return the lists of the films that foundation_films returns the pixels of, one a cohort."""
    cohorts = [Cohort.open(folder) for folder in folders]
    return [films_learned(cohort, foundation_rows(cohort.index), role) for cohort in cohorts]


def masked_rows(cohort: Cohort) -> tuple[np.ndarray, str]:
    """Return the rows of split generator that have any mask, and a hash of their content."""
    rows = cohort.rows(split="generator")
    if not len(rows):
        raise InputError(f"{cohort.folders[0]}: no row of split generator; set the dataset's split.generator")
    annotated = cohort.masks(rows).any(axis=(1, 2))
    rows = rows[annotated]
    if not len(rows):
        raise InputError(f"{cohort.folders[0]}: no mask in split generator; the ControlNet has nothing to learn from")
    masks = content_hash(*(mask.tobytes().hex() for mask in cohort.masks(rows)))
    return rows, content_hash(masks, *cohort.index["sha256"].iloc[rows])
