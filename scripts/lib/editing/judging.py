"""What a judge says of films before and after an edit, and whether it may say anything at all.

A judge learned from films of another dataset. It is held against the labels of the target's own films of split validate first: one
that cannot tell them apart there confirms nothing, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.lib.core.errors import InputError
from scripts.lib.core.json_files import read_json
from scripts.lib.downstream.judges import Judge
from scripts.lib.downstream.predict import TEST_BATCH, to_images
from scripts.lib.fidelity.agreement import auroc_of
from scripts.lib.training.devices import Placement


@dataclass(frozen=True)
class Checked:
    """How well a judge tells one label of the target's films: AUROC with the ends of its interval, n films, and a threshold.

    At the threshold, a probability, sensitivity and specificity are most nearly equal: that of another hospital's films need
    not be 0.5.
    """

    label: str
    auroc: float
    low: float
    high: float
    n: int
    threshold: float


@dataclass(frozen=True)
class EditVerdict:
    """All labels of a judge's check, the lower end that each must reach, and why the judge is refused, "" where it is not."""

    labels: list[Checked]
    least: float
    refused: str

    def as_json(self) -> dict[str, Any]:
        """Return it as what `read_verdict` reads."""
        return asdict(self)

    def thresholds(self) -> np.ndarray:
        """Return the threshold of each label, (L,)."""
        return np.array([one.threshold for one in self.labels])


@torch.inference_mode()
def probabilities(judge: Judge, films: np.ndarray, labels: Sequence[str], placement: Placement) -> np.ndarray:
    """Return the judge's probability of each label, float64 (n, L), of films uint8 (n, H, W).

    Raises InputError for a label that it has not learned, or films of another side.
    """
    if unknown := [name for name in labels if name not in judge.names]:
        raise InputError(f"the judge tells {', '.join(judge.names)} alone, but {unknown[0]} is a class; name another in edits.judge")  # fmt: skip
    if films.shape[1:] != (judge.resolution, judge.resolution):
        raise InputError(f"films of {films.shape[2]} x {films.shape[1]} pixels, but the judge learned from {judge.resolution}; train it anew")  # fmt: skip
    places = [judge.names.index(name) for name in labels]
    parts = [np.zeros((0, len(places)))]
    for first in range(0, len(films), TEST_BATCH):
        with placement.autocast():
            logits = judge.model(to_images(films[first : first + TEST_BATCH], placement))
        parts.append(torch.sigmoid(logits.double()).cpu().numpy()[:, places])
    return np.concatenate(parts)


def check(
    truth: np.ndarray, found: np.ndarray, labels: Sequence[str], patients: np.ndarray, least: float
) -> EditVerdict:
    """Return the verdict on a judge from probabilities `found` (n, L) of films with labels `truth` (n, L), 1, 0 or NaN.

    patients  (n,): whose films; those of one patient count as one draw
    least     what the lower end of the interval of each AUROC must reach
    """
    checked = []
    for place, label in enumerate(labels):
        known = ~np.isnan(truth[:, place])
        given, scores = truth[known, place], found[known, place]
        estimate = auroc_of(given[:, None], scores[:, None], patients[known])
        threshold = _balanced(given > 0, scores)
        checked.append(Checked(label, estimate.value, estimate.low, estimate.high, int(known.sum()), threshold))
    weak = [one for one in checked if not one.low >= least]
    refused = ""
    if weak:
        one = weak[0]
        refused = (
            f"its AUROC of {one.label} on {one.n} films is {one.auroc:.2f} ({one.low:.2f} to {one.high:.2f}), and the lower "
            f"end must reach {least:g}"
        )
    return EditVerdict(checked, least, refused)


def _balanced(positive: np.ndarray, scores: np.ndarray) -> float:
    """Return the threshold, half way between two scores, at which sensitivity and specificity are most nearly equal."""
    values = np.unique(scores)
    if len(values) < 2 or positive.all() or not positive.any():
        return 0.5
    middles = (values[1:] + values[:-1]) / 2
    missed = np.searchsorted(np.sort(scores[positive]), middles) / positive.sum()
    false = 1 - np.searchsorted(np.sort(scores[~positive]), middles) / (~positive).sum()
    return float(middles[np.abs(missed - false).argmin()])


def class_probabilities(found: np.ndarray) -> np.ndarray:
    """Return the probability of each class (n, L + 1) from those of labels (n, L): `normal` is 1 less the largest."""
    return np.concatenate([1 - found.max(axis=1, keepdims=True), found], axis=1)


def shown_class(found: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the class (n,) that the judge sees: the label farthest above its threshold (L,), or 0, normal, where none is."""
    above = found - thresholds
    return np.where((above > 0).any(axis=1), above.argmax(axis=1) + 1, 0)


def read_verdict(path: Path) -> EditVerdict:
    """Return a verdict; raises InputError, one line, where the file is none or the judge is refused."""
    record: Mapping[str, Any] = read_json(path, "the check of a judge")
    try:
        verdict = EditVerdict([Checked(**one) for one in record["labels"]], record["least"], record["refused"])
    except (KeyError, TypeError):
        raise InputError(f"{path}: not the check of a judge; run check_judge again") from None
    if verdict.refused:
        raise InputError(
            f"{path}: the judge is refused: {verdict.refused}; name other films in edits.judge, or train it longer"
        )
    return verdict
