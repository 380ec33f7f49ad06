"""Whether the proxy model can be believed: how well its scores tell real films with a label from those without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.prompts import NORMAL
from scripts.lib.core.auroc import auroc
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.filters.proxy.model import Proxy
from scripts.lib.filters.proxy.scores import ranks_by
from scripts.lib.filters.proxy.scoring import cosines, label_vectors
from scripts.lib.filters.proxy.usable import COLUMNS
from scripts.lib.training.settings import Section

INTERVAL = (2.5, 97.5)


def auroc_interval(
    truth: np.ndarray, scores: np.ndarray, patients: np.ndarray, draws: int, stream: np.random.Generator
) -> tuple[float, float]:
    """Return the bootstrap percentile interval (95 %) of the AUROC, patients drawn with replacement, films with them.

    truth bool (n,), scores (n,), patients (n,). Draws that hold one class only have no AUROC and are left out; NaN when
    all are such.
    """
    values, rank = np.unique(scores, return_inverse=True)
    names, owner = np.unique(patients, return_inverse=True)
    areas = np.full(draws, np.nan)
    for draw in range(draws):
        weight = np.bincount(stream.integers(0, len(names), len(names)), minlength=len(names))[owner]
        positive = np.bincount(rank, weight * truth, len(values))
        negative = np.bincount(rank, weight * ~truth, len(values))
        pairs = positive.sum() * negative.sum()
        if pairs:
            areas[draw] = (positive * (np.cumsum(negative) - negative / 2)).sum() / pairs
    if np.isnan(areas).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(areas, INTERVAL)
    return float(low), float(high)


def truth_of(cohort: Cohort, label: str) -> pd.Series | None:
    """Return 1, 0 or missing for each film; None when the cohort does not know the label.

    `normal` is true of a film without any of the cohort's labels, and unknown where one of them is missing.
    """
    if label in cohort.labels:
        return cohort.index[label]
    if label != NORMAL or not cohort.labels:
        return None
    labels = cohort.index[cohort.labels]
    truth = (labels == 0).all(axis=1).astype("Int8")
    return truth.mask(labels.isna().any(axis=1) & ~(labels == 1).any(axis=1))


def validate(proxy: Proxy, cohort: Cohort, split: str, settings: Section, seed: int) -> pd.DataFrame:
    """Return one row (COLUMNS) for each label that has a prompt; `usable` = the interval lies above 0.5.

    `settings`: prompts, templates, rank_by, and validation.bootstrap = number of draws.
    """
    rows = cohort.rows(split=split)
    if not len(rows):
        raise InputError(f"{cohort.folders[0]}: no film of split {split}; correct proxy.validation.split")
    rank_by = settings.one_of("rank_by", "cosine", "margin")
    labels, vectors = label_vectors(proxy, settings["prompts"], settings["templates"])
    scores = pd.DataFrame(cosines(proxy, cohort, rows, vectors), columns=[f"score_{label}" for label in labels])
    patients = cohort.index["patient_id"].iloc[rows].astype(str).to_numpy()
    dataset = str(cohort.meta.get("dataset", ""))
    measured_rows = []
    for label in labels:
        row = {"label": label, "dataset": dataset, "split": split, "ranked_by": rank_by}
        truth = truth_of(cohort, label)
        if truth is None:
            measured_rows.append(
                {**row, "films": 0, "positive": 0, "patients": 0, "usable": False, "note": "no such label here"}
            )
            continue
        stream = rng(seed, "validate_proxy", dataset, split, label)
        ranked = ranks_by(scores, label, rank_by)
        measured = _measure(truth.iloc[rows], ranked, patients, settings["validation"]["bootstrap"], stream)
        measured_rows.append(row | measured)
    return pd.DataFrame(measured_rows, columns=COLUMNS)


def _measure(
    truth: pd.Series, scores: np.ndarray, patients: np.ndarray, draws: int, stream: np.random.Generator
) -> dict[str, Any]:
    known = truth.notna().to_numpy()
    positive = truth.to_numpy(dtype=float, na_value=np.nan)[known] == 1
    scores, patients = scores[known], patients[known]
    row = {"films": len(positive), "positive": int(positive.sum()), "patients": len(np.unique(patients))}
    if positive.all() or not positive.any():
        only = "every film has it" if len(positive) and positive.all() else "no film has it"
        return {**row, "usable": False, "note": f"one class only: {only}"}
    low, high = auroc_interval(positive, scores, patients, draws, stream)
    return {**row, "auroc": auroc(positive, scores), "ci_low": low, "ci_high": high, "usable": low > 0.5, "note": ""}
