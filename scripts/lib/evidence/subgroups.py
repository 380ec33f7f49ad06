"""For whom: every tested metric among the test films of one sex, age band or view, real films alone and each synthetic cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import rng
from scripts.lib.evidence.differences import differences, means
from scripts.lib.evidence.predicted import Predicted
from scripts.lib.evidence.resampling import resample
from scripts.lib.study.arms import REAL

AGE = "age"
UNKNOWN = "unknown"
FEW = 10  # patients, films of a class: with fewer a group says nothing that could be relied on
CELL = ["dataset", "task", "metric", "fraction", "arm", "multiplier"]
GAPS = ["gap", "gap_low", "gap_high"]
SUBGROUPS = [
    *["dataset", "task", "metric", "column", "group", "fraction", "arm", "multiplier", "value", "low", "high", *GAPS],
    *["n_trials", "n_patients", "n_films", "n_positives", "note"],
]


def age_band(ages: pd.Series, edges: Sequence[float]) -> pd.Series:
    """Return the band of each age in years as text: edges 18, 40 give 0-17, 18-39 and 40+; "unknown" without an age."""
    numbers = pd.to_numeric(ages, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    starts = [0.0, *edges]
    names = [f"{low:g}-{high - 1:g}" for low, high in zip(starts, edges)] + [f"{starts[-1]:g}+"]
    places = np.searchsorted(np.array(edges, dtype=float), numbers, side="right")
    bands = [UNKNOWN if np.isnan(age) else names[band] for age, band in zip(numbers, places)]
    return pd.Series(bands, index=ages.index)


def groups_of(index: pd.DataFrame, column: str, edges: Sequence[float], where: str) -> pd.Series:
    """Return the group of each film of an index as text; raises InputError, one line, without that column."""
    if column not in index:
        known = ", ".join(name for name in index.columns if name != "image_id")
        raise InputError(f"{where}: no column {column} (statistics.subgroups); expected one of {known}")
    if column == AGE:
        return age_band(index[column], edges)
    words = index[column].astype("string").str.strip()
    return words.where(words.fillna("") != "", UNKNOWN)


def of_films(predicted: Predicted, chosen: np.ndarray) -> Predicted:
    """Return the predictions on some of the films, bool (n,)."""
    patients = np.unique(predicted.patients[chosen], return_inverse=True)[1]
    scores = {member: values[chosen] for member, values in predicted.scores.items()}
    boxes = {member: [of_kind.on(chosen) for of_kind in kinds] for member, kinds in predicted.boxes.items()}
    kept = {"films": predicted.films[chosen], "truth": predicted.truth[chosen]}
    return replace(predicted, patients=patients, scores=scores, boxes=boxes, edges=None, **kept)


def subgroups(
    predicted: Predicted,
    index: pd.DataFrame,
    columns: Sequence[str],
    edges: Sequence[float],
    metrics: Sequence[str],
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Return one row (SUBGROUPS) a column, group, metric and cell, for the test films of one dataset.

    index     image_id and what groups are made of, as the cohort has it
    edges     first ages of the bands but the youngest, ascending
    settings  {draws, seed, policy, threads}

    `gap`: the cell less the real films alone in this group, paired, with interval. Raises InputError for a column that the
    index lacks, and for a test film that it lacks.
    """
    by_film = index.assign(image_id=index["image_id"].astype(str)).set_index("image_id")
    if missing := [film for film in predicted.films if film not in by_film.index]:
        raise InputError(
            f"{predicted.dataset}: test film {missing[0]} is not in the cohort's index; run the trials again"
        )
    rows_of_films = by_film.loc[predicted.films]
    parts = []
    for column in columns:
        groups = groups_of(rows_of_films, column, edges, f"results/{predicted.dataset}/cohort/index.parquet").to_numpy(
            str
        )
        for group in sorted(set(groups)):
            part = _group(of_films(predicted, groups == group), metrics, settings, (column, group))
            parts.append(part.assign(column=column, group=group))
    return pd.concat(parts, ignore_index=True)[SUBGROUPS] if parts else pd.DataFrame(columns=SUBGROUPS)


def _group(part: Predicted, metrics: Sequence[str], settings: Mapping[str, Any], name: tuple[str, str]) -> pd.DataFrame:
    draws = rng(settings["seed"], "patients", *name)
    drawn = resample(part, settings["draws"], draws, metrics, settings["policy"], settings["threads"])
    table = means(part, drawn, settings["seed"]).rename(columns={"mean": "value"})
    gaps = differences(part, drawn, [], settings["seed"])
    gaps = gaps[gaps["against"] == REAL].rename(columns={"difference": "gap", "low": "gap_low", "high": "gap_high"})
    table = table.merge(gaps[[*CELL, *GAPS]], on=CELL, how="left", validate="one_to_one")
    positives = int((part.truth > 0).any(axis=1).sum())
    small = "; ".join(_too_small(part))
    notes = ["; ".join(filter(None, [small, note])) for note in table["note"]]
    return table.assign(n_positives=positives, note=notes)


def _too_small(part: Predicted) -> Iterator[str]:
    """Yield why a group is too small to say anything."""
    if part.n_patients < FEW:
        yield f"too few to say: {part.n_patients} patients, fewer than {FEW}"
    for number, label in enumerate(part.labels):
        known = part.truth[~np.isnan(part.truth[:, number]), number] > 0
        positives, negatives = int(known.sum()), int((~known).sum())
        if not positives or not negatives:
            yield f"{label}: all {len(known)} films are {'negative' if not positives else 'positive'}"
        elif min(positives, negatives) < FEW:
            yield f"{label}: too few to say, {positives} positive and {negatives} negative films"
