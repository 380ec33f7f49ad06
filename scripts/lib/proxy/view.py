"""A kept pool as trials read it: the pool's own films, restricted to what was kept and numbered anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.errors import InputError
from scripts.lib.proxy.scores import IDENTITY, KEPT


def open_kept(folders: Path | Sequence[Path], kept: Path) -> Cohort:
    """Return the kept films of a pool's shards, in the order of the table `kept`; no pixel is copied.

    The index has the pool's columns with the new `position` of each film, and `source_position`, `score` beside it.
    Raises InputError when the table names films that these shards do not hold.
    """
    pool = Cohort.open(folders)
    try:
        table = pd.read_parquet(kept, columns=KEPT)
    except (OSError, ValueError) as error:
        raise InputError(f"{kept}: not a table of kept films ({' '.join(str(error).split())}); filter anew") from None
    places = pd.Series(np.arange(len(pool)), index=pd.MultiIndex.from_frame(pool.index[IDENTITY]))
    if places.index.has_duplicates:
        raise InputError(f"{pool.folders[0]}: a film (condition_id, sample) occurs twice; give each shard once")
    rows = places.reindex(pd.MultiIndex.from_frame(table[IDENTITY])).to_numpy()
    if np.isnan(rows).any():
        missing = table["image_id"].iloc[int(np.isnan(rows).argmax())]
        raise InputError(
            f"{kept}: film {missing} is not in {pool.folders[0]} or its other shards; filter this pool anew"
        )
    new = {name: table[name].to_numpy() for name in ("position", "source_position", "score")}
    return pool.select(rows.astype(np.int64), **new)
