"""Which rows of a table of conditions, or of a pool's index, are a trial's, in which order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError


def trial_rows(table: pd.DataFrame, trial: int, count: int | None = None) -> np.ndarray:
    """Return the positions in `table` of the first `count` images of a trial, by its column `position`; None = all.

    Every multiplier takes a prefix of the same order, so 2x lies inside 5x. Raises InputError when there are too few.
    """
    mine = np.flatnonzero(table["trial"].to_numpy() == trial)
    ordered = mine[np.argsort(table["position"].to_numpy()[mine], kind="stable")]
    if count is not None and len(ordered) < count:
        raise InputError(
            f"trial {trial}: {len(ordered)} synthetic images, but {count} are needed (multiplier x training films); "
            f"build and sample this pool again with the same subsets and multipliers"
        )
    return ordered[:count]
