"""What is kept of a scored pool: the best of each label and trial, in an order whose prefixes resemble the pool's."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.filters.proxy.scores import IDENTITY, KEPT, own_ranks


def kept_count(films: int, percentile: float) -> int:
    """Return how many of `films` lie at or above the percentile of their scores: (100 - percentile) %, rounded up.

    That is the number above numpy's default percentile when all scores differ: 10 of 100 at 90, 2 of 19. Counted in
    whole numbers, so ties at the border never change it. 0 where the share is less than one film: keeping one all the
    same would be a weaker filter than the one that was asked for.
    """
    share = films * (100 - Fraction(str(percentile))) / 100
    return math.ceil(share) if share >= 1 else 0


def keep_best(scores: pd.DataFrame, percentile: float, rank_by: str) -> pd.DataFrame:
    """Return the kept films (KEPT), by trial and position: of each label and trial the best (paper: top 10 %).

    Equal scores are told apart by identity, so neither shards nor the order of rows matter. Raises InputError when a
    label has too few films to keep one.

    `position` counts 0, 1, 2... within each trial, and the labels follow each other as in the pool, whose every prefix
    is balanced: where film i of the pool shows a label, so does film i of what was kept, until a label runs out. Within
    a label the pool's order stays. Not that of the scores: a small multiplier would then be filtered more sharply than
    a large one.
    """
    parts = []
    for (trial, label), group in scores.groupby(["trial", "label"], sort=True, observed=True):
        count = kept_count(len(group), percentile)
        if not count:
            raise InputError(
                f"{label}, trial {trial}: {len(group)} films are too few to keep one at percentile {percentile:g}; "
                f"sample more (arms.*.candidates), or lower proxy.percentile"
            )
        ranks = own_ranks(group, str(label), rank_by)
        near = ranks >= np.partition(ranks, -count)[-count]  # the best, and those that equal the last of them
        ranked = group[near].assign(_rank=-ranks[near]).sort_values(["_rank", *IDENTITY], kind="stable")
        best = ranked.head(count).sort_values(["position", *IDENTITY], kind="stable")
        parts.append(best.assign(_slot=np.sort(group["position"].to_numpy())[:count]))
    if not parts:
        raise InputError("the pool holds no film, so there is nothing to keep; sample it first")
    kept = pd.concat(parts).rename(columns={"position": "source_position"}).astype({"label": "string"})
    kept = kept.sort_values(["trial", "_slot", "label"], kind="stable", ignore_index=True)
    return kept.assign(position=kept.groupby("trial").cumcount().astype(np.int64))[KEPT]
