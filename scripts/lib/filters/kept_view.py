"""A kept pool as trials read it: the pool's own films, restricted to what was kept and numbered anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.cohort.learned import films_learned, not_known
from scripts.lib.cohort.store import Cohort, read_index
from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet
from scripts.lib.filters.proxy.scores import IDENTITY, KEPT


def open_kept(
    folders: Path | Sequence[Path],
    kept: Path,
    columns: Sequence[str] | None = None,
    trials: Sequence[int] | None = None,
    shorten: Callable[[pd.DataFrame], pd.DataFrame] = pd.DataFrame.copy,
) -> Cohort:
    """Return the kept films of a pool's shards, in the order of the table `kept`; no pixel is copied.

    The index has the pool's columns with the new `position` of each film, and `source_position`, `score` beside it;
    `columns` and `shorten` limit the pool's (see Cohort.open), `trials` the films to those of these trials. What is held
    grows with what was kept.
    Raises InputError when the table names films that these shards do not hold.
    """
    table = read_parquet(kept, "table of kept films", "filter anew", KEPT)
    if trials is not None:
        table = table[table["trial"].isin(trials)].reset_index(drop=True)
    wanted = pd.MultiIndex.from_frame(table[IDENTITY])
    order: list[np.ndarray] = []  # for each film found, in the shards' order, its row of the table

    def choose(folder: Path) -> np.ndarray:
        places = wanted.get_indexer(pd.MultiIndex.from_frame(read_index(folder, IDENTITY)[IDENTITY]))
        rows = np.flatnonzero(places >= 0)
        order.append(places[rows])
        return rows

    pool = Cohort.open(folders, columns, choose, shorten)
    positions = np.concatenate(order)
    if len(np.unique(positions)) < len(positions):
        raise InputError(f"{pool.folders[0]}: a film (condition_id, sample) occurs twice; give each shard once")
    if len(positions) < len(table):
        missing = table["image_id"].iloc[int(np.setdiff1d(np.arange(len(table)), positions)[0])]
        raise InputError(
            f"{kept}: film {missing} is not in {pool.folders[0]} or its other shards; filter this pool anew"
        )
    new = {name: table[name].to_numpy() for name in ("position", "source_position", "score")}
    return pool.select(np.argsort(positions), **new)


def masks_behind(chosen: Cohort, conditions: Path | None, cohort: Path | None) -> pd.DataFrame:
    """Return the list of the films whose masks the chosen images of a pool were made from, in the role `kept`.

    conditions, cohort  what the pool was made from; without one of them nothing is known of these films
    """
    if conditions is None or cohort is None:
        return not_known("kept")
    table = pd.read_parquet(conditions, columns=["condition_id", "mask_source"]).dropna()
    sources = table.loc[table["condition_id"].isin(chosen.index["condition_id"]), "mask_source"]
    films = Cohort.open(cohort)
    return films_learned(films, np.flatnonzero(films.index["image_id"].isin(sources).to_numpy()), "kept")
