"""Tests that hold two sets of masks against each other."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

FOLDS = 5
MOST = 300  # points of each side of an energy distance


def energy_distance(one: np.ndarray, two: np.ndarray) -> float:
    """Return 2 E|X - Y| - E|X - X'| - E|Y - Y'| of points (n, d) and (m, d), without bias: 0 on average where both are alike."""
    one, two = one[:MOST], two[:MOST]
    if min(len(one), len(two)) < 2:
        return float("nan")
    within = [cdist(part, part).sum() / (len(part) * (len(part) - 1)) for part in (one, two)]
    return float(2 * cdist(one, two).mean() - sum(within))


def two_sample(one: np.ndarray, two: np.ndarray) -> float:
    """Return the AUROC, cross-validated, of a logistic regression that tells rows (n, f) from rows (m, f); nan = not there.

    A value that is not there counts as the mean, with a column that says so.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.concatenate([one, two])
    rows = rows[:, ~np.isnan(rows).all(0)]
    truth = np.repeat([1, 0], [len(one), len(two)])
    model = make_pipeline(
        SimpleImputer(add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=0.1, max_iter=500),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    scores = cross_val_predict(model, rows, truth, cv=folds, method="decision_function")
    return float(roc_auc_score(truth, scores))
