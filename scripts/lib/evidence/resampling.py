"""Every metric of every training on films drawn anew: patients are drawn with replacement, alike for all trainings.

A draw gives each film a weight, how often its patient was drawn. F1, Dice and IoU are ratios of sums over films, so all
trainings and draws are one product of matrices. AUROC and AUPRC sort the films of a training once; each draw then is a sum
along that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scripts.lib.core.errors import InputError
from scripts.lib.downstream.box_metrics import box_scores
from scripts.lib.downstream.metrics import label_scores, overlap_scores
from scripts.lib.evidence.box_draws import Boxes, by_patient, mean_of_known
from scripts.lib.evidence.predicted import Member, Predicted
from scripts.lib.evidence.ranked import Order, ratio
from scripts.lib.study.tasks import BOXES, MASKS, METRICS, TASKS

SMALLER_IS_BETTER = frozenset({"false_positive_share"})
CHUNK_BYTES = 2_000_000  # of weights: a chunk of draws stays in the processor's cache
Draws = dict[str, np.ndarray]


@dataclass(frozen=True)
class Resampled:
    """The metrics of M trainings: `points` {metric: (M,)} on the test films, `draws` {metric: (B, M)} on B draws of patients.

    NaN where a metric does not exist. `fewer` (B,): how many labels of a draw have films of one class only; a macro mean
    of that draw is over the others, for all trainings alike.
    """

    members: tuple[Member, ...]
    points: Draws
    draws: Draws
    fewer: np.ndarray


def metrics_of(predicted: Predicted, wanted: Sequence[str] = ()) -> list[str]:
    """Return the metrics that a dataset's predictions give, those of `wanted` where it names any; raises InputError."""
    if unknown := [name for name in wanted if name not in METRICS]:
        raise InputError(f"statistics.bootstrap.metrics: {', '.join(unknown)}: expected some of {', '.join(METRICS)}")
    known = TASKS[predicted.task].metrics
    return [name for name in known if not wanted or name in wanted]


def point_scores(predicted: Predicted, member: Member, policy: str) -> dict[str, float]:
    """Return the metrics of one training on the test films as they are, those of `trials.csv`; NaN where none exists."""
    if predicted.says == BOXES:
        scored = box_scores(predicted.boxes[member])
    elif predicted.says == MASKS:
        overlap, marked = np.moveaxis(predicted.scores[member], 2, 0)
        scored = overlap_scores(overlap, marked, predicted.truth, policy)
    else:
        scored = label_scores(predicted.truth, predicted.scores[member], predicted.thresholds[member])
    return {name: np.nan if value is None else value for name, value in scored.items() if ":" not in name}


def resample(
    predicted: Predicted,
    draws: int,
    rng: np.random.Generator,
    wanted: Sequence[str] = (),
    policy: str = "exclude",
    threads: int = 1,
) -> Resampled:
    """Return every metric of every training on `draws` draws of the test patients.

    wanted   metrics; empty: all that the predictions give
    policy   what `dice` and `iou` count on films without the structure (`overlap_scores`)
    threads  processors that rank films; they change no number
    """
    if draws < 1:
        raise InputError(f"statistics.bootstrap.draws: {draws}; expected 1 or more")
    members, metrics = tuple(predicted.members), metrics_of(predicted, wanted)
    every = [point_scores(predicted, member, policy) for member in members]
    points = {name: np.array([one[name] for one in every]) for name in metrics}
    scores = {name: np.empty((draws, len(members)), np.float32) for name in metrics}
    fewer = np.zeros(draws, int)
    score: Boxes | _Masks | _Labels
    if predicted.says == BOXES:
        score = Boxes(predicted, members, metrics)
    else:
        masks = predicted.says == MASKS
        score = _Masks(predicted, members, policy) if masks else _Labels(predicted, members, metrics)
    with ThreadPoolExecutor(threads) as pool:
        for first, weights in draw_weights(predicted.n_patients, draws, rng):
            place = slice(first, first + weights.shape[1])
            scored, fewer[place] = score(weights, pool)
            for name in metrics:
                scores[name][place] = scored[name]
    return Resampled(members, points, scores, fewer)


def draw_weights(patients: int, draws: int, rng: np.random.Generator) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number of the first draw, float32 (patients, draws)): how often each patient is in each draw."""
    size = max(1, min(draws, CHUNK_BYTES // (4 * patients)))
    for first in range(0, draws, size):
        count = min(size, draws - first)
        drawn = rng.integers(0, patients, (count, patients)) + np.arange(count)[:, None] * patients
        times = np.bincount(drawn.ravel(), minlength=count * patients).reshape(count, patients)
        yield first, np.ascontiguousarray(times.T, dtype=np.float32)


class _Masks:
    """Dice and IoU under every policy, the mean over structures that have one in the draw."""

    def __init__(self, predicted: Predicted, members: Sequence[Member], policy: str) -> None:
        self.structures = [_Mask(predicted, members, policy, k) for k in range(len(predicted.labels))]

    def __call__(self, weights: np.ndarray, pool: ThreadPoolExecutor) -> tuple[Draws, np.ndarray]:
        each = [structure(weights) for structure in self.structures]
        found = {name: mean_of_known([one[name] for one, _ in each]) for name in each[0][0]}
        return found, np.sum([fewer for _, fewer in each], axis=0)


class _Mask:
    """One structure: the sums over films with it, and of silent ones without it; films on which nobody looked have no part."""

    def __init__(self, predicted: Predicted, members: Sequence[Member], policy: str, k: int) -> None:
        self.policy, self.count = policy, len(members)
        known = ~np.isnan(predicted.truth[:, k])
        true = np.where(known, predicted.truth[:, k], 0)
        there = true > 0
        shared = np.column_stack([there, known & ~there])
        parts: list[np.ndarray] = []
        for member in members:
            overlap, marked = np.where(known[:, None], predicted.scores[member][:, k], 0).T
            ratios = {"dice": 2 * overlap / np.maximum(marked + true, 1)}
            ratios["iou"] = overlap / np.maximum(marked + true - overlap, 1)
            parts += [np.where(there, one, 0.0) for one in ratios.values()]
            parts += [known & ~there & (marked == 0)]
        self.columns = by_patient(predicted, np.column_stack([shared, *parts]))

    def __call__(self, weights: np.ndarray) -> tuple[Draws, np.ndarray]:
        sums = weights.T @ self.columns
        with_it, without = sums[:, :1], sums[:, 1:2]
        own = sums[:, 2:].reshape(len(sums), self.count, 3)
        silent = own[:, :, 2]
        found: Draws = {}
        for place, name in enumerate(("dice", "iou")):
            total = own[:, :, place]
            found[f"{name}_exclude"] = ratio(total, with_it)
            found[f"{name}_kaggle"] = (total + silent) / (with_it + without)
            found[f"{name}_zero"] = total / (with_it + without)
            found[name] = found[f"{name}_{self.policy}"]
        found["false_positive_share"] = ratio(without - silent, without)
        return found, ((with_it == 0) | (without == 0)).astype(int)[:, 0]


class _Labels:
    """F1, AUROC and AUPRC, the mean over the labels that have films of both classes in the draw."""

    def __init__(self, predicted: Predicted, members: Sequence[Member], metrics: Sequence[str]) -> None:
        self.metrics, self.count = metrics, len(members)
        self.labels = [_Label(predicted, members, k) for k in range(len(predicted.labels))]
        self.labels = [label for label in self.labels if label.both_classes]

    def __call__(self, weights: np.ndarray, pool: ThreadPoolExecutor) -> tuple[Draws, np.ndarray]:
        shape = (weights.shape[1], self.count)
        totals = {name: np.zeros(shape) for name in self.metrics}
        known = {name: np.zeros(shape) for name in self.metrics}
        fewer = np.zeros(shape[0], int)
        for label in self.labels:
            scored, there = label(weights, self.metrics, pool)
            fewer += ~there
            for name, values in scored.items():
                use = there[:, None] & ~np.isnan(values)
                totals[name] += np.where(use, values, 0.0)
                known[name] += use
        return {name: ratio(totals[name], known[name]) for name in self.metrics}, fewer


class _Label:
    """One label: its columns for F1, and for each training the order of its films by score."""

    def __init__(self, predicted: Predicted, members: Sequence[Member], k: int) -> None:
        known = np.flatnonzero(~np.isnan(predicted.truth[:, k]))
        positive = predicted.truth[known, k] == 1
        self.both_classes = bool(positive.any() and not positive.all())
        if not self.both_classes:
            return
        self.untuned = np.array([predicted.thresholds[member][k] is None for member in members])
        parts: list[np.ndarray] = [positive, np.ones(len(known))]
        self.orders: list[Order] = []
        for member in members:
            scores = predicted.scores[member][known, k]
            for threshold in (0.5, predicted.thresholds[member][k] or 0.0):
                parts += [positive & (scores > threshold), scores > threshold]
            self.orders.append(Order(positive, scores, predicted.patients[known]))
        columns = np.zeros((len(predicted.truth), len(parts)))
        columns[known] = np.column_stack(parts)
        self.columns = by_patient(predicted, columns)

    def __call__(
        self, weights: np.ndarray, metrics: Sequence[str], pool: ThreadPoolExecutor
    ) -> tuple[Draws, np.ndarray]:
        sums = weights.T @ self.columns
        positives, films = sums[:, :1], sums[:, 1:2]
        own = sums[:, 2:].reshape(len(sums), -1, 4)
        there = ((positives > 0) & (positives < films))[:, 0]
        found = {"f1": ratio(2 * own[:, :, 0], positives + own[:, :, 1])}
        found["f1_tuned"] = np.where(self.untuned, np.nan, ratio(2 * own[:, :, 2], positives + own[:, :, 3]))
        if "auroc" in metrics or "auprc" in metrics:
            ranked = list(pool.map(lambda order: order(weights), self.orders))
            for place, name in enumerate(("auroc", "auprc")):
                found[name] = np.column_stack([one[place] for one in ranked])
        return {name: found[name] for name in metrics}, there
