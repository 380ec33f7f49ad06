"""What a filter did: how many films of each label it kept, their scores, and how diverse they are before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.order import trial_rows
from scripts.lib.core.seeds import rng
from scripts.lib.filters.proxy.diversity import (
    distances,
    draw_pairs,
    grey_features,
    pair_similarity,
    similarity_kernel,
    vendi,
)
from scripts.lib.filters.proxy.scores import IDENTITY
from scripts.lib.formats.csv_text import read_columns

MEASURES = ("ms_ssim", "distance", "vendi")
COLUMNS = [
    *["trial", "prefix", "label", "subgroup", "films", "kept", "score", "score_kept", "compared"],
    *[f"{name}{after}" for name in MEASURES for after in ("", "_kept")],
]
SUBGROUPS = ("view", "sex")
ALL = "all"


def kept_table(
    pool: Cohort, scores: pd.DataFrame, kept: pd.DataFrame, settings: Mapping[str, Any], seed: int
) -> pd.DataFrame:
    """Return one row (COLUMNS) for each trial, prefix, label and subgroup.

    prefix    share of the trial's films, in their order: what a small multiplier reads is a prefix. `films` and `score`
              are of that prefix of the pool, `kept` and `score_kept` of that prefix of what was kept
    subgroup  all; and each view and sex where the pool's index has them
    ms_ssim, distance, vendi   diversity (see diversity.py), on the rows of prefix 1 and subgroup all, before and after
              filtering. Vendi grows with the number of films, so both are measured on equally many: `compared`

    `scores` stand in the order of the pool's films. `settings`: prefixes, diversity.images and diversity.pairs (most films
    and pairs that are compared).
    """
    kept = kept.assign(_row=_rows_of(kept, scores))
    scores = scores[[*IDENTITY, "trial", "position", "label", "score"]].assign(_row=np.arange(len(scores)))
    rows = []
    for trial in sorted(set(scores["trial"].tolist())):
        before, after = scores.iloc[trial_rows(scores, trial)], kept.iloc[trial_rows(kept, trial)]
        for share in sorted(settings["prefixes"]):
            parts = (before.head(round(share * len(before))), after.head(round(share * len(after))))
            rows += [{"trial": trial, "prefix": share, **row} for row in _counts(pool, *parts)]
        rows += list(_diversities(pool, before, after, trial, settings["diversity"], seed))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return _joined(table)


def read_kept_table(path: Path) -> pd.DataFrame:
    """Read the table that `kept_table` returned; raises InputError when it is another one, or was changed by hand."""
    whole = ("trial", "films", "kept", "compared")
    numbers = [name for name in COLUMNS if name not in (*whole, "label", "subgroup")]
    table = read_columns(path, COLUMNS, numbers, whole, optional=[*numbers, "compared"])
    return table.astype({"compared": "Int64"})


def _rows_of(kept: pd.DataFrame, scores: pd.DataFrame) -> np.ndarray:
    """Return the place in `scores` of each kept film, int64 (n,), without a Python object for every film of the pool."""
    places = pc.index_in(pa.array(scores["image_id"]), value_set=pa.array(kept["image_id"])).fill_null(-1).to_numpy()
    rows = np.empty(len(kept), np.int64)
    rows[places[places >= 0]] = np.flatnonzero(places >= 0)
    return rows


def _counts(pool: Cohort, before: pd.DataFrame, after: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for label in sorted({*before["label"].unique(), *after["label"].unique()}):
        old, new = before[before["label"] == label], after[after["label"] == label]
        subgroups = {name: (column, value) for name, column, value in _subgroups(pool, old["_row"])}
        for name in (ALL, *subgroups):
            parts = [part if name == ALL else part[_of(pool, part, *subgroups[name])] for part in (old, new)]
            yield {
                "label": label,
                "subgroup": name,
                "films": len(parts[0]),
                "kept": len(parts[1]),
                "score": parts[0]["score"].mean(),
                "score_kept": parts[1]["score"].mean(),
            }


def _subgroups(pool: Cohort, rows: pd.Series) -> list[tuple[str, str, str]]:
    """Return (name, column, value) of each view and sex that these films have; pools made from text have none."""
    groups = []
    for column in SUBGROUPS:
        values = pool.index[column].iloc[rows.to_numpy()].dropna()
        groups += [(f"{column} {value}", column, value) for value in sorted(set(values) - {""})]
    return groups


def _of(pool: Cohort, part: pd.DataFrame, column: str, value: str) -> np.ndarray:
    return (pool.index[column].iloc[part["_row"].to_numpy()] == value).fillna(False).to_numpy(dtype=bool)


def _diversities(
    pool: Cohort, before: pd.DataFrame, after: pd.DataFrame, trial: int, settings: Mapping[str, int], seed: int
) -> Iterator[dict[str, Any]]:
    for label in sorted(after["label"].unique()):
        old, new = (part[part["label"] == label] for part in (before, after))
        count = min(len(new), settings["images"])
        samples = [_sample(part, count, seed) for part in (old, new)]
        row = {"trial": trial, "prefix": 1.0, "label": label, "subgroup": ALL, "compared": count}
        if count > 1:
            stream = (seed, "diversity", label, trial)
            row |= diversity_of(pool, samples, settings["pairs"], stream)
        yield row


def _sample(part: pd.DataFrame, count: int, seed: int) -> np.ndarray:
    """Return the rows of `count` films drawn by chance, the same for the same films in any order."""
    identity = pa.table({name: pa.array(part[name]) for name in IDENTITY})
    order = pc.sort_indices(identity, sort_keys=[(name, "ascending") for name in IDENTITY]).to_numpy()
    chosen = order[rng(seed, "diversity", "films").permutation(len(order))[:count]]
    return np.sort(part["_row"].to_numpy()[chosen])


def diversity_of(pool: Cohort, samples: Sequence[np.ndarray], most: int, stream: tuple[Any, ...]) -> dict[str, float]:
    """Return MEASURES of two equally large samples of films (before, after; rows of the pool).

    MS-SSIM is the mean of at most `most` pairs, the distance that of all; Vendi's kernel is as wide as the median
    distance before filtering.
    """
    images = [pool.images(rows) for rows in samples]
    apart = [distances(grey_features(part)) for part in images]
    pairs = draw_pairs(len(samples[0]), most, rng(*stream))
    every = np.triu_indices(len(samples[0]), 1)
    width = float(np.median(apart[0][every]))  # one ruler for before and after
    measures = {}
    for after, part, own in zip(("", "_kept"), images, apart):
        measures[f"ms_ssim{after}"] = pair_similarity(part, pairs)
        measures[f"distance{after}"] = float(own[every].mean())
        measures[f"vendi{after}"] = vendi(similarity_kernel(own, width))
    return measures


def _joined(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the rows of counts and of diversity that are about the same films made one."""
    keys = ["trial", "prefix", "label", "subgroup"]
    measured = ["compared", *(name for name in COLUMNS if name.removesuffix("_kept") in MEASURES)]
    diversity = table.loc[table["compared"].notna(), [*keys, *measured]]
    counts = table[table["films"].notna()].drop(columns=measured)
    joined = counts.merge(diversity, on=keys, how="left", validate="one_to_one")[COLUMNS]
    whole = dict.fromkeys(("films", "kept", "compared"), "Int64")
    return joined.astype(whole).round(6)
