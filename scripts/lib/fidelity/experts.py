"""Experts say of each synthetic image whether it shows what it should; each is validated on real films before it may vote.

An expert scores images by subject: a label, `normal` (no label), a mask, its absence, "real" or "no copy". On real films, which it
has not seen, it must tell those with the subject from those without. Its threshold is what most real films with the subject pass,
never a probability of one half. What it was not validated for, or has no score of, is no vote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.agreement import asked_and_found, auroc_of
from scripts.lib.fidelity.memorisation import BY_HAND, HELDOUT, CopyGate

LEAST = 20  # real films with a subject, and without it, that a validation needs
NORMAL, COPY, REALISM = "normal", "no copy", "real"
VALIDATION = [
    "expert",
    "subject",
    "films",
    "others",
    "auroc",
    "low",
    "high",
    "threshold",
    "accepts",
    "refuses",
    "votes",
    "note",
]


@dataclass(frozen=True)
class Scores:
    """What an expert says of some images, or of real films.

    asked   float (n, S): 1 where an image is to show a subject, 0 where it is not, NaN where nobody knows
    score   float (n, S): higher where the expert rather sees it; NaN where it says nothing
    groups  (n,): films of one patient share theirs
    """

    subjects: tuple[str, ...]
    asked: np.ndarray
    score: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Expert:
    """An expert: its name, its scores of real films and of the pool's images, in the pool's order.

    thresholds  {subject: threshold} where another table sets it; left out, the share `accept` of real films does
    """

    name: str
    real: Scores
    images: Scores
    thresholds: Mapping[str, float] | None = None


def of_labels(name: str, real: pd.DataFrame, images: pd.DataFrame, labels: Sequence[str]) -> Expert:
    """Return an expert on labels from findings (agreement.py) on real films and images; `normal` is a subject of its own.

    An image is as normal as its most suspicious label: the share of normal real films that look less suspicious of it.
    """
    asked, found = asked_and_found(real, labels)
    normal = found[(asked == 0).all(axis=1)]

    def scores(table: pd.DataFrame) -> Scores:
        asked_of, seen = asked_and_found(table, labels)
        ranks = np.column_stack(
            [
                np.where(np.isnan(column), np.nan, _below(column, known) if len(known) else np.nan)
                for column, known in zip(seen.T, normal.T)
            ]
        )
        none = np.where((asked_of == 1).any(axis=1), 0.0, np.where((asked_of == 0).all(axis=1), 1.0, np.nan))
        return Scores(
            (*labels, NORMAL),
            np.column_stack([asked_of, none]),
            np.column_stack([seen, -ranks.max(axis=1)]),
            table["group"].to_numpy(dtype=str),
        )

    return Expert(name, scores(real), scores(images))


def _below(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(reference), values) / len(reference)


def of_masks(name: str, real: pd.DataFrame, images: pd.DataFrame, structure: str) -> Expert:
    """Return an expert on masks from findings: its Dice with the own mask, and how little it finds where there is none.

    On real films its Dice with the own mask stands against that with masks of other films.
    """
    subjects = (structure, f"no {structure}")

    def scores(table: pd.DataFrame) -> Scores:
        shown = (table["asked"] > 0).to_numpy()
        overlap = np.where(shown, table["dice"].to_numpy(float), np.nan)
        clear = -table["found"].to_numpy(float)
        asked = np.column_stack([np.where(shown, 1.0, np.nan), (~shown).astype(float)])
        return Scores(subjects, asked, np.column_stack([overlap, clear]), table["group"].to_numpy(dtype=str))

    films = scores(real)
    chance = np.where((real["asked"] > 0).to_numpy(), real["by_chance"].to_numpy(float), np.nan)
    others = np.column_stack([np.where(np.isnan(chance), np.nan, 0.0), np.full(len(real), np.nan)])
    both = Scores(
        subjects,
        np.concatenate([films.asked, others]),
        np.concatenate([films.score, np.column_stack([chance, np.full(len(real), np.nan)])]),
        np.concatenate([films.groups, films.groups]),
    )
    return Expert(name, both, scores(images))


def of_realism(name: str, real: pd.DataFrame, images: pd.DataFrame) -> Expert:
    """Return the expert on looks from columns group, asked_real (1 film, 0 damaged film) and found_real."""

    def scores(table: pd.DataFrame) -> Scores:
        return Scores((REALISM,), *asked_and_found(table, [REALISM]), table["group"].to_numpy(dtype=str))

    return Expert(name, scores(real), scores(images))


def of_copies(name: str, floor: pd.DataFrame, similarity: np.ndarray, percentile: float) -> Expert:
    """Return the expert on copies: the memory filter's verdict on each image (memorisation.py), against planted copies.

    floor       kind, patient_id and similarity of held-out films and planted copies
    similarity  (n,) of each image to its nearest training film
    """
    gate = CopyGate.of(floor, percentile)
    drawn = floor[~floor["kind"].isin(BY_HAND)]
    asked = (drawn["kind"] == HELDOUT).to_numpy(float)[:, None]
    films = Scores(
        (COPY,), asked, -drawn["similarity"].to_numpy(float)[:, None], drawn["patient_id"].to_numpy(dtype=str)
    )
    count = len(similarity)
    groups = np.arange(count).astype(str)
    images = Scores((COPY,), np.ones((count, 1)), -np.asarray(similarity, float)[:, None], groups)
    return Expert(name, films, images, {COPY: -gate.threshold})


def validate(expert: Expert, accept: float, floor: float) -> pd.DataFrame:
    """Return what the expert is worth on real films: a row (VALIDATION) for each subject; `votes`: whether it may vote on it.

    accept  share of real films with the subject that must pass its threshold
    floor   AUROC that the interval of 95 % must lie above
    """
    rows = []
    for place, subject in enumerate(expert.real.subjects):
        asked, score = expert.real.asked[:, place], expert.real.score[:, place]
        known = ~np.isnan(asked) & ~np.isnan(score)
        rows.append(
            {"expert": expert.name, "subject": subject}
            | _worth(asked[known], score[known], expert.real.groups[known], expert.thresholds, subject, accept, floor)
        )
    table = pd.DataFrame(rows, columns=VALIDATION)
    # The threshold stays whole: votes are counted by it.
    return table.assign(
        **{name: table[name].astype(float).round(6) for name in ("auroc", "low", "high", "accepts", "refuses")}
    )


def _worth(
    asked: np.ndarray, score: np.ndarray, groups: np.ndarray, given: Mapping[str, float] | None, subject: str,
    accept: float, floor: float,
) -> dict[str, Any]:  # fmt: skip
    films, others = score[asked == 1], score[asked == 0]
    row: dict[str, Any] = {"films": len(films), "others": len(others), "votes": False}
    if min(len(films), len(others)) < LEAST:
        return row | {"note": f"{len(films)} real films with it and {len(others)} without, fewer than {LEAST}"}
    worth = auroc_of(asked[:, None], score[:, None], groups)
    threshold = given[subject] if given else float(np.quantile(films, 1 - accept, method="lower"))
    row |= {"auroc": worth.value, "low": worth.low, "high": worth.high, "threshold": threshold}
    if np.isnan(threshold):
        return row | {"note": "no threshold: too few held-out films"}
    row |= {"accepts": float((films >= threshold).mean()), "refuses": float((others < threshold).mean())}
    if worth.low <= floor:
        return row | {"note": f"does not tell real films: AUROC {worth.value:.3f}, its interval from {worth.low:.3f}, floor {floor:g}"}  # fmt: skip
    if not row["refuses"]:
        return row | {"note": "refuses no real film without it, so its vote would say nothing"}
    return row | {"votes": True, "note": ""}


def vote(expert: Expert, validation: pd.DataFrame) -> np.ndarray:
    """Return the expert's vote on each image, float (n,): 1 yes, 0 no, NaN none.

    No: one subject that the image is to show lies below its threshold. None: no subject does, but one was not validated or has no
    score, or the image is to show nothing that the expert knows. Yes: it passes every one.
    """
    of_expert = validation[validation["expert"] == expert.name].set_index("subject")
    if missing := [name for name in expert.images.subjects if name not in of_expert.index]:
        raise InputError(f"expert {expert.name}: {missing[0]} was not validated; validate it anew")
    of_expert = of_expert.loc[list(expert.images.subjects)]
    may, threshold = of_expert["votes"].to_numpy(bool), of_expert["threshold"].to_numpy(float)
    shown, score = expert.images.asked == 1, expert.images.score
    known = may & ~np.isnan(score)
    refused = (shown & known & (score < threshold)).any(axis=1)
    unsaid = (shown & ~known).any(axis=1) | ~shown.any(axis=1)
    return np.where(refused, 0.0, np.where(unsaid, np.nan, 1.0))
