"""The source shortcut: may a model learn "synthetic" where it is to learn the disease?

Where most images show the disease and most films do not, what tells images from films also tells the disease. Two things say how
far: how much the source (film or image) says of the label in a training set, and how well a small classifier tells images
from films of the same label. Only both together are a shortcut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import subset_rows
from scripts.lib.conditions.order import trial_rows
from scripts.lib.fidelity.agreement import NONE, NORMAL, Estimate, auroc_of
from scripts.lib.fidelity.chosen import Chosen, choose, halves, rows_named, rows_of_splits
from scripts.lib.fidelity.features import check_alike

COLUMNS = [
    *["dataset", "arm", "fraction", "multiplier", "measure", "label", "features", "value", "low", "high", "n"],
    *["floor", "floor_low", "floor_high", "positive_real", "positive_synthetic", "note"],
]
INFORMATION, SOURCE = "mutual_information", "auroc_source"
CHI2 = 3.841459  # 95 % of chi-squared with one degree of freedom lies below
FOLDS = 5
RIDGE = 0.1  # of the mean variance, added to each: features may outnumber films
LEAST = 40  # films and images of a label that a classifier learns from and is tested on
MOST = 2000  # of each
TELLS = 0.1  # of a label's entropy, from which the source is said to tell the label
SEEN = 0.7  # AUROC from which films and images are said to be told apart


@dataclass(frozen=True)
class LabelCounts:
    """Films and images of one training set by label: `films`, `images` (without, with)."""

    films: np.ndarray
    images: np.ndarray

    def information(self) -> tuple[Estimate, float]:
        """Return the mutual information of source and label in bits, and the label's entropy, its largest value."""
        counts = np.stack([self.films, self.images]).astype(float)
        share = counts / max(1.0, counts.sum())
        apart = share.sum(axis=1, keepdims=True) * share.sum(axis=0, keepdims=True)
        ratio = np.log2(np.divide(share, apart, out=np.ones_like(share), where=share > 0))
        value = float((share * ratio).sum())
        spread = max(0.0, float((share * ratio**2).sum()) - value**2)
        label = share.sum(axis=0)
        entropy = float(-(label[label > 0] * np.log2(label[label > 0])).sum())
        return Estimate(max(0.0, value), float(np.sqrt(spread / max(1.0, counts.sum()))), int(counts.sum())), entropy


def mixtures(
    cohort: Cohort, subsets: pd.DataFrame, pool: Cohort, label: str, fraction: float, multiplier: int, trials: int
) -> list[LabelCounts]:
    """Return what each trial trains on at a multiplier, by label; unknown labels are left out."""
    mixed = []
    for trial in range(trials):
        real = subset_rows(cohort.index, subsets, trial, fraction)
        images = trial_rows(pool.index, trial, multiplier * len(real))
        mixed.append(LabelCounts(*(_counted(part.index[label].iloc[rows]) for part, rows in ((cohort, real), (pool, images)))))  # fmt: skip
    return mixed


def _counted(labels: pd.Series) -> np.ndarray:
    known = labels.dropna().to_numpy(dtype=int)
    return np.array([(known == 0).sum(), (known == 1).sum()])


def information_row(parts: Sequence[LabelCounts], label: str, multiplier: int) -> dict[str, Any]:
    """Return the row of mutual information: the mean over trials; the floor is what chance gives (chi-squared, 95 %)."""
    each = [one.information() for one in parts]
    count = int(np.mean([one.n for one, _ in each]))
    value, entropy = (float(np.mean(one)) for one in ([one.value for one, _ in each], [most for _, most in each]))
    error = float(np.mean([one.error for one, _ in each]))
    films, images = (np.sum([getattr(one, side) for one in parts], axis=0) for side in ("films", "images"))
    shares = {"positive_real": _share(films), "positive_synthetic": _share(images)}
    scale = 2 * max(1, count) * np.log(2)  # G = 2 n ln 2 I is chi-squared where source and label are independent
    row = {"multiplier": multiplier, "measure": INFORMATION, "label": label, "value": value, "n": count, **shares}
    row |= {"low": max(0.0, value - NORMAL * error), "high": value + NORMAL * error}
    row |= {"floor": 1 / scale, "floor_low": 0.0, "floor_high": CHI2 / scale}
    notes = []
    # Films that all show it as well, or never, leave the source nothing to tell.
    if images.sum() and not images.min() and shares["positive_real"] != shares["positive_synthetic"]:
        notes.append(f"{'every' if images[1] else 'no'} image shows {label}, {shares['positive_real']:.0%} of films do")
    if entropy and value > TELLS * entropy and value > CHI2 / scale:
        notes.append(f"the source tells {value / entropy:.0%} of what there is to know of the label")
    return {**row, "note": "; ".join(notes)}


def no_label_row(labels: Sequence[str]) -> dict[str, Any]:
    """Return the row of a pool none of whose `labels`, those that trials learn, is known of images and films."""
    named = ", ".join(labels)
    return {
        "measure": INFORMATION,
        "label": named,
        "note": f"images and films have no label {named} that the source could tell",
    }


def _share(counts: np.ndarray) -> float:
    return float(counts[1] / counts.sum()) if counts.sum() else np.nan


def source_rows(
    pool: Sequence[Path], cohort: Path, features: tuple[Sequence[Path], Path], labels: Sequence[str],
    splits: Sequence[str], kept: pd.Series | None, network: str,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return for each label a row for images and films with it and a row for those without; the floor is films against films.

    features  of the shards and of the cohort; splits  of the films; kept  image_id of what a filter kept
    """
    rows = rows_of_splits(cohort, splits)
    films = choose([cohort], [features[1]], labels, [rows])
    images = choose(pool, features[0], labels, None if kept is None else rows_named(pool, kept))
    out = []
    for label in labels:
        for value in (1, 0):
            mine, real = (one.take(np.flatnonzero((one.index[label] == value).fillna(False).to_numpy(bool))[:MOST]) for one in (images, films))  # fmt: skip
            first, second = halves(real) if len(real) else (real, real)
            about = {"measure": SOURCE, "label": f"{label} = {value}", "features": network, "n": len(mine) + len(real)}
            if min(len(mine), len(first), len(second)) < LEAST:
                few = f"{len(mine)} images and {len(real)} films; {LEAST} images and {2 * LEAST} films are needed"
                out.append({**about, **_numbers(NONE, NONE), "note": few})
                continue
            apart = told_apart(mine, real, features)
            out.append(
                {**about, **_numbers(apart, told_apart(first, second, ([features[1]], features[1]))), "note": ""}
            )
    return out


def told_apart(one: Chosen, other: Chosen, features: tuple[Sequence[Path], Path]) -> Estimate:
    """Return the AUROC by which a linear classifier tells two sets apart that it has not seen (FOLDS folds by patient).

    Raises InputError for features of other lengths.
    """
    parts = one.features(features[0]), other.features([features[1]])
    check_alike((parts[0], features[0][0]), (parts[1], features[1]))
    values = np.concatenate(parts).astype(np.float64)
    truth = np.r_[np.ones(len(one)), np.zeros(len(other))]
    patients = [f"{name}/{side}" for side, part in enumerate((one, other)) for name in part.index["patient_id"]]
    fold = np.r_[one.groups, other.groups] % FOLDS
    scores = np.empty(len(truth))
    for number in range(FOLDS):
        aside = fold == number
        scores[aside] = _scores(values[~aside], truth[~aside] == 1, values[aside])
    return auroc_of(truth[:, None], scores[:, None], np.array(patients))


def _scores(values: np.ndarray, truth: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the scores of a linear discriminant with a ridge, 0 halfway between the classes, in its own deviations."""
    spread = values.std(axis=0)
    values, others = ((part - values.mean(axis=0)) / np.where(spread > 0, spread, 1) for part in (values, others))
    means = [values[truth == side].mean(axis=0) for side in (False, True)]
    within = np.concatenate([values[truth == side] - mean for side, mean in zip((False, True), means)])
    covariance = within.T @ within / max(1, len(within) - 2) + RIDGE * np.eye(values.shape[1])
    weights = np.linalg.solve(covariance, means[1] - means[0])
    return np.asarray(
        (others - (means[0] + means[1]) / 2) @ weights / max(1e-12, np.sqrt(weights @ covariance @ weights))
    )


def _numbers(own: Estimate, floor: Estimate) -> dict[str, float]:
    return {
        "value": own.value, "low": own.low, "high": own.high,
        "floor": floor.value, "floor_low": floor.low, "floor_high": floor.high,
    }  # fmt: skip


def warned(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with a warning where source tells label and images are told from films of the same label: a shortcut."""
    seen = {str(row["label"]).partition(" = ")[0] for row in rows if row["measure"] == SOURCE and row["low"] > max(SEEN, row["floor_high"])}  # fmt: skip
    out = []
    for row in rows:
        note = row["note"]
        if row["measure"] == INFORMATION and "the source tells" in note and row["label"] in seen:
            note += f"; images are told from films, so a model may learn the source instead of {row['label']}"
        out.append({**row, "note": note})
    return out


def table(rows: Sequence[Mapping[str, Any]], cell: Mapping[str, str]) -> pd.DataFrame:
    """Return the table (COLUMNS) of one pool."""
    made = pd.DataFrame([{**cell, **row} for row in warned(rows)]).reindex(columns=COLUMNS)
    numbers = [*COLUMNS[7:10], *COLUMNS[11:16]]
    # Six digits: low bits of a linear algebra differ between machines.
    return made.assign(
        multiplier=made["multiplier"].astype("Int64"), **{name: made[name].astype(float).round(6) for name in numbers}
    )
