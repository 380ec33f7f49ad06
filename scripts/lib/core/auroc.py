"""The area under the ROC curve, in numpy: importing scikit-learn takes longer than most jobs that need it."""

from __future__ import annotations

import numpy as np


def auroc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Return the probability that a positive film scores above a negative one, ties counted half (Mann-Whitney U).

    truth bool (n,), scores float (n,). NaN where one class is missing.
    """
    values, rank_of, ties = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(ties) - (ties - 1) / 2
    positives = np.count_nonzero(truth)
    pairs = positives * (len(truth) - positives)
    if not pairs:
        return float("nan")
    rank_sum = middle[rank_of][truth].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / pairs)
