"""Scores of predictions: F1, AUROC, AUPRC for labels, Dice and IoU for masks.

Written out in numpy because importing scikit-learn takes longer (3 s of CPU) than most trainings of the embedded
study; the tests hold each against scikit-learn.
"""

from __future__ import annotations

import numpy as np

from scripts.lib.core.auroc import auroc
from scripts.lib.study.tables import EMPTY_POLICIES


def f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return 2 TP / (2 TP + FP + FN) of bool arrays (n,); 0 when nothing is positive in either."""
    hits = np.count_nonzero(truth & predicted)
    total = np.count_nonzero(truth) + np.count_nonzero(predicted)
    return 2 * hits / total if total else 0.0


def auprc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return average precision: the sum over thresholds of precision times the gain in recall."""
    hits, called, _ = _counts(truth, scores)
    recall = hits / np.count_nonzero(truth)
    return float(np.sum(np.diff(recall, prepend=0.0) * hits / called))


def best_threshold(truth: np.ndarray, scores: np.ndarray) -> float | None:
    """Return the threshold (score > threshold is positive) with the best F1; None when only one class is there.

    It lies half way between the two scores it separates, or below 0 when calling everything positive is best; the
    highest of equally good ones is taken.
    """
    if truth.all() or not truth.any():
        return None
    hits, called, values = _counts(truth, scores)
    best = int(np.argmax(2 * hits / (called + np.count_nonzero(truth))))
    below = values[best + 1] if best + 1 < len(values) else -1.0
    return float((values[best] + below) / 2)


def best_thresholds(truth: np.ndarray, scores: np.ndarray) -> list[float | None]:
    """Return the best threshold of each label from films that were set aside: truth (n, L) 1, 0 or NaN, scores (n, L); n may be 0."""
    known = ~np.isnan(truth)
    return [best_threshold(truth[use, k] == 1, scores[use, k]) for k, use in enumerate(known.T)]


def _counts(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each distinct score from high to low: true positives, films called positive, the score."""
    values, first = np.unique(-scores, return_index=False, return_inverse=True)
    called = np.cumsum(np.bincount(first, minlength=len(values)))
    hits = np.cumsum(np.bincount(first, weights=truth.astype(float), minlength=len(values)))
    return hits, called, -values


def overlap_scores(
    overlap: np.ndarray, predicted: np.ndarray, truth: np.ndarray, policy: str
) -> dict[str, float | None]:
    """Return mean Dice and IoU over films from pixel counts (n,) or (n, S) of the overlap, the predicted and the true masks.

    A film without a true mask has no overlap to score. exclude leaves it out of the mean; kaggle gives 1 when nothing is
    predicted and 0 otherwise (MGCA, SIIM-ACR); zero counts it 0. Keys: dice and iou under `policy`, dice_exclude,
    dice_kaggle, ... under each, and false_positive_share: the share of the films without a true mask in which a pixel is
    predicted. None when no film is left. Of several structures each is the mean over those that have one, with "dice:0" ... of
    each beside it. A true mask of NaN, of a structure that nobody looked for, counts nowhere.
    """
    if policy not in EMPTY_POLICIES:
        raise ValueError(f"empty_policy {policy!r}, expected one of {', '.join(EMPTY_POLICIES)}")
    overlap, predicted, truth = (part.reshape(len(part), -1) for part in (overlap, predicted, truth))
    known = ~np.isnan(truth)
    each = [_one_structure(overlap[use, k], predicted[use, k], truth[use, k], policy) for k, use in enumerate(known.T)]
    scores: dict[str, float | None] = {}
    for name in each[0]:
        scores[name] = _mean(np.array([value for one in each if (value := one[name]) is not None]))
    if len(each) > 1:
        scores.update({f"{name}:{k}": one[name] for name in each[0] for k, one in enumerate(each)})
    return scores


def _one_structure(
    overlap: np.ndarray, predicted: np.ndarray, truth: np.ndarray, policy: str
) -> dict[str, float | None]:
    empty, silent = truth == 0, predicted == 0
    either = predicted + truth - overlap
    on_empty = {"exclude": np.zeros(len(truth)), "kaggle": silent.astype(float), "zero": np.zeros(len(truth))}
    scores: dict[str, float | None] = {}
    for name, above, below in (("dice", 2 * overlap, predicted + truth), ("iou", overlap, either)):
        ratios = above / np.maximum(below, 1)
        by_policy = {one: np.where(empty, on_empty[one], ratios) for one in EMPTY_POLICIES}
        by_policy["exclude"] = by_policy["exclude"][~empty]
        scores[name] = _mean(by_policy[policy])
        scores.update({f"{name}_{one}": _mean(values) for one, values in by_policy.items()})
    scores["false_positive_share"] = _mean(~silent[empty])
    return scores


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def label_scores(truth: np.ndarray, scores: np.ndarray, thresholds: list[float | None]) -> dict[str, float | None]:
    """Return f1 (threshold 0.5), f1_tuned (given threshold), auroc, auprc, each the mean over labels and by label.

    truth (n, L) 1, 0 or NaN for missing (left out); scores (n, L) in [0, 1]; `thresholds` one a label, None where there
    is none, which leaves that label without f1_tuned.
    A label with one class only has no score: its values are None, and the mean is over the other labels, unlike
    scikit-learn's macro F1, which counts a label without a positive film as 0; rows.score_rows says which labels those are.
    Keys: "f1" for the mean, "f1:0" for label 0; one label has no keys of its own.
    """
    by_label = [_one_label(truth[:, k], scores[:, k], thresholds[k]) for k in range(truth.shape[1])]
    result: dict[str, float | None] = {}
    for name in ("f1", "f1_tuned", "auroc", "auprc"):
        known = [value for values in by_label if (value := values.get(name)) is not None]
        result[name] = float(np.mean(known)) if known else None
    if len(by_label) > 1:
        for name in ("f1", "f1_tuned", "auroc", "auprc"):
            result.update({f"{name}:{k}": values.get(name) for k, values in enumerate(by_label)})
    return result


def _one_label(truth: np.ndarray, scores: np.ndarray, threshold: float | None) -> dict[str, float | None]:
    known = ~np.isnan(truth)
    positive, scores = truth[known] == 1, scores[known]
    if positive.all() or not positive.any():
        return {}
    return {
        "f1": f1(positive, scores > 0.5),
        "f1_tuned": None if threshold is None else f1(positive, scores > threshold),
        "auroc": auroc(positive, scores),
        "auprc": auprc(positive, scores),
    }


def constant_scores(
    truth: np.ndarray, value: int, resolution: int = 0, empty_policy: str = ""
) -> dict[str, float | None]:
    """Return the scores of an answer that is `value`, 1 or 0, for every film.

    truth       float (films, labels), NaN where it is not known; with `resolution`, the side of a film in pixels, pixels of
                true masks, for which every pixel is called `value`, and `empty_policy` counts
    """
    answer = np.full(truth.shape, float(value))
    if not resolution:
        return label_scores(truth, answer, [0.5] * truth.shape[1])
    return overlap_scores(truth * value, answer * resolution**2, truth, empty_policy)
