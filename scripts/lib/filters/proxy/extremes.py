"""Which films a sheet of a scored pool shows: the best and the worst of each label."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scripts.lib.filters.proxy.scores import IDENTITY

Group = tuple[str, list[str]]


def pick_extremes(scores: pd.DataFrame, kept: set[tuple[str, int]], each: int) -> tuple[np.ndarray, list[Group]]:
    """Return the rows of `scores` to show, int (n,), and in that order the groups (heading, captions of its films).

    Per label first the `each` best, then the `each` worst, none twice; `kept` holds (condition_id, sample).
    """
    rows: list[int] = []
    groups: list[Group] = []
    table = scores.reset_index(drop=True)
    for label in sorted(table["label"].unique()):
        ranked = table[table["label"] == label].sort_values(["score", *IDENTITY], ascending=[False, True, True])
        best = ranked.index[:each].tolist()
        worst = ranked.index[len(best) :].tolist()[-each:]
        for name, places in (("highest scores", best), ("lowest scores", worst)):
            if places:
                groups.append(
                    (f"{label.replace('_', ' ')}: {name}", [_caption(table.loc[row], kept) for row in places])
                )
                rows += places
    return np.array(rows, dtype=np.int64), groups


def _caption(film: pd.Series, kept: set[tuple[str, int]]) -> str:
    return f"{film['score']:+.3f}{' · kept' if is_kept(film, kept) else ''}"


def is_kept(film: pd.Series, kept: set[tuple[str, int]]) -> bool:
    """Whether a film of a table of scores was kept."""
    return (str(film["condition_id"]), int(film["sample"])) in kept
