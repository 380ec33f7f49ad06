"""Scores of boxes: AP50 and mAP as COCO counts them, and FROC, for each structure and their mean.

    ap50   average precision (COCO: 101 recalls) of boxes that overlap a true one by at least half (IoU)
    map    the mean of it over ten such limits, 0.50, 0.55 ... 0.95
    froc   recall at .05, .1 and .2 false boxes a film, the mean of the three; overlap as in ap50

Written out in numpy: the tests hold each against pycocotools, or against values worked out by hand. A film on which nobody looked for a
structure counts neither for it nor against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LIMITS = np.linspace(0.5, 0.95, 10)  # of overlap, as COCO writes them
RECALLS = np.linspace(0.0, 1.0, 101)
FALSE_BOXES = (0.05, 0.1, 0.2)  # a film
FILM_BOXES = 100  # of a structure on a film, those of the highest score, as COCO


@dataclass(frozen=True)
class Matched:
    """The boxes that one model found of one structure on n films, by score from high to low, N of them.

    films  int (N,), the film of each
    hits   bool (10, N): whether it is the one that finds a true box, at each of LIMITS
    truths int (n,): true boxes of each film; known bool (n,): whether somebody looked for the structure
    """

    films: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    truths: np.ndarray
    known: np.ndarray

    def on(self, chosen: np.ndarray) -> Matched:
        """Return the same of some of the films, bool (n,)."""
        kept, number = chosen[self.films], np.cumsum(chosen) - 1
        films = number[self.films[kept]]
        return Matched(films, self.scores[kept], self.hits[:, kept], self.truths[chosen], self.known[chosen])


def overlaps(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the intersection over union of boxes (k, 4) and (m, 4), float64 (k, m)."""
    one, other = found.astype(np.float64)[:, None], true.astype(np.float64)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=2)
    areas = [np.prod(boxes[..., 2:] - boxes[..., :2], axis=2) for boxes in (one, other)]
    return shared / (areas[0] + areas[1] - shared)


def match_film(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return for each box (k, 4), by score from high to low, whether it finds a true box (m, 4) at each limit, bool (10, k).

    Each takes the true box that it overlaps most of those that none before it has taken (of equal ones the last, as COCO).
    """
    hits = np.zeros((len(LIMITS), len(found)), bool)
    if not len(found) or not len(true):
        return hits
    shared = overlaps(found, true)
    near = np.flatnonzero(shared.max(axis=1) >= LIMITS[0])
    for place, limit in enumerate(LIMITS):
        free = np.ones(len(true), bool)
        for box in near:
            values = np.where(free, shared[box], -1.0)
            best = len(values) - 1 - int(np.argmax(values[::-1]))
            if values[best] >= min(limit, 1 - 1e-10):
                hits[place, box], free[best] = True, False
    return hits


def match(found: Sequence[np.ndarray], scores: Sequence[np.ndarray], true: Sequence[np.ndarray | None]) -> Matched:
    """Return the boxes of n films, matched: `found` edges (k, 4) with scores (k,); `true` (m, 4), None where nobody looked."""
    films, values, hits = [np.zeros(0, int)], [np.zeros(0)], [np.zeros((len(LIMITS), 0), bool)]
    for film, (boxes, score, truth) in enumerate(zip(found, scores, true, strict=True)):
        if truth is None:
            continue
        order = np.argsort(-score, kind="stable")[:FILM_BOXES]
        films.append(np.full(len(order), film))
        values.append(score[order].astype(np.float64))
        hits.append(match_film(boxes[order], truth))
    order = np.argsort(-np.concatenate(values), kind="stable")
    return Matched(
        np.concatenate(films)[order],
        np.concatenate(values)[order],
        np.concatenate(hits, axis=1)[:, order],
        np.array([0 if truth is None else len(truth) for truth in true]),
        np.array([truth is not None for truth in true]),
    )


def average_precision(hits: np.ndarray, truths: int) -> float:
    """Return COCO's average precision of boxes by score from high to low: `hits` bool (N,), of `truths` true boxes."""
    hit, missed = np.cumsum(hits), np.cumsum(~hits)
    precision = hit / np.maximum(hit + missed, np.spacing(1))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hit / truths, RECALLS, side="left")
    return float(np.append(best, 0.0)[np.minimum(places, len(best))].mean())


def froc(hits: np.ndarray, truths: int, films: int) -> float:
    """Return the mean recall at FALSE_BOXES a film: the highest that a threshold reaches with so few of them.

    Boxes of one score are taken one after another, as in average precision.
    """
    hit, missed = np.cumsum(hits), np.cumsum(~hits)
    recalls = [np.max(hit[missed <= rate * films + 1e-9], initial=0) / truths for rate in FALSE_BOXES]
    return float(np.mean(recalls))


def kind_scores(matched: Matched) -> dict[str, float]:
    """Return map, ap50 and froc of one structure; nothing where no film shows it."""
    truths = int(matched.truths.sum())
    if not truths:
        return {}
    by_limit = [average_precision(hits, truths) for hits in matched.hits]
    films = int(np.count_nonzero(matched.known))
    return {
        "map": float(np.mean(by_limit)),
        "ap50": by_limit[0],
        "froc": froc(matched.hits[0], truths, films),
    }


def box_scores(kinds: Sequence[Matched]) -> dict[str, float | None]:
    """Return map, ap50 and froc, the mean over structures that a test film shows, and "map:0" ... of each where there are several.

    A structure without a true box has no score: its values are None, never 0.
    """
    each = [kind_scores(matched) for matched in kinds]
    scores: dict[str, float | None] = {}
    for name in ("map", "ap50", "froc"):
        known = [one[name] for one in each if name in one]
        scores[name] = float(np.mean(known)) if known else None
    if len(kinds) > 1:
        for name in ("map", "ap50", "froc"):
            scores.update({f"{name}:{k}": one.get(name) for k, one in enumerate(each)})
    return scores
