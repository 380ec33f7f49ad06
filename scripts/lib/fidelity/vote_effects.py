"""What the votes of experts come to: how far two experts say the same, and how diverse the images are before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.seeds import rng
from scripts.lib.fidelity.memorisation import exact_interval
from scripts.lib.filters.proxy.kept_table import MEASURES, diversity_of

CELL = ["dataset", "arm", "fraction"]
AGREEMENT = [*CELL, "expert", "other", "images", "both", "neither", "agree", "low", "high", "kappa"]
DIVERSITY = [
    *[*CELL, "label", "images", "kept", "compared"],
    *[f"{name}{after}" for name in MEASURES for after in ("", "_kept")],
]
ALL, NORMAL = "all", "normal"


def by_label(index: pd.DataFrame, labels: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Return (name, which images, bool (n,)) of all images, of those with each label, and of those without one."""
    shown = index[list(labels)].fillna(0).to_numpy(float) == 1
    with_one = [(name, shown[:, number]) for number, name in enumerate(labels)]
    return [(ALL, np.ones(len(index), bool)), *with_one, (NORMAL, ~shown.any(axis=1))]


def agreement(votes: Mapping[str, np.ndarray], cell: Mapping[str, str]) -> pd.DataFrame:
    """Return one row (AGREEMENT) for each two experts, of the images on which both have voted.

    votes  of each expert 1 (yes), 0 (no) or nan (no vote) for each image, float (n,)

    `agree` is the share of images on which they say the same, with its exact 95 % interval; `kappa` is Cohen's, which takes away
    what they would agree on by chance: 0 = no more than that, nan where each of them says one thing of all images.
    """
    rows: list[dict[str, Any]] = []
    for (one, first), (two, second) in combinations(votes.items(), 2):
        voted = ~np.isnan(first) & ~np.isnan(second)
        yes, other = first[voted] == 1, second[voted] == 1
        both, neither, count = int((yes & other).sum()), int((~yes & ~other).sum()), int(voted.sum())
        low, high = exact_interval(both + neither, count)
        row = {"expert": one, "other": two, "images": count, "both": both, "neither": neither}
        share = (both + neither) / count if count else np.nan
        rows.append({**cell, **row, "agree": share, "low": low, "high": high, "kappa": _kappa(yes, other)})
    return pd.DataFrame(rows, columns=AGREEMENT).round(dict.fromkeys(("agree", "low", "high", "kappa"), 6))


def _kappa(yes: np.ndarray, other: np.ndarray) -> float:
    """Return Cohen's kappa of two raters, bool (n,); nan without an image, or where chance alone makes them agree."""
    if not len(yes) or (yes.all() or not yes.any()) and (other.all() or not other.any()):
        return float("nan")
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(yes, other))


def diversity(
    pool: Cohort,
    labels: Sequence[str],
    chosen: np.ndarray,
    settings: Mapping[str, int],
    cell: Mapping[str, str],
    seed: int,
) -> pd.DataFrame:
    """Return one row (DIVERSITY) for all images, each label, and those without one: before, and what is kept, bool (n,).

    As many images of each are compared, `compared`, at most `images` of the settings; MS-SSIM over at most `pairs` pairs. A row of
    fewer than two kept images has no measure.
    """
    rows: list[dict[str, Any]] = []
    for name, here in by_label(pool.index, labels):
        parts = [np.flatnonzero(here), np.flatnonzero(here & chosen)]
        count = min(len(parts[1]), settings["images"])
        row = {**cell, "label": name, "images": len(parts[0]), "kept": len(parts[1]), "compared": count}
        if count > 1:
            samples = [np.sort(rng(seed, "votes", name).permutation(part)[:count]) for part in parts]
            row |= diversity_of(pool, samples, settings["pairs"], (seed, "votes", "pairs", name))
        rows.append(row)
    return pd.DataFrame(rows, columns=DIVERSITY).round(6)
