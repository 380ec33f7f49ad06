"""Every cell's mean and every difference between two cells, with intervals that count trials and test films."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.core.seeds import rng
from scripts.lib.evidence.bootstrap import Interval, interval
from scripts.lib.evidence.covered import coverage_note
from scripts.lib.evidence.predicted import Cell, Member, Predicted
from scripts.lib.evidence.resampling import SMALLER_IS_BETTER, Resampled
from scripts.lib.evidence.statistics import TASK_OF, correct, family_names
from scripts.lib.formats.csv_text import read_columns
from scripts.lib.study.arms import REAL
from scripts.lib.study.tasks import LABELS

SPREADS = ["sd_trials", "sd_films", "se_films"]
COUNTS = ["n_trials", "n_patients", "n_films"]
ABOUT = ["dataset", "task", "metric", "fraction", "arm"]
INTERVALS = [*ABOUT, "multiplier", "mean", "low", "high", *SPREADS, *COUNTS, "note"]
DIFFERENCES = [
    *[*ABOUT, "against", "multiplier", "difference", "low", "high", "p_harm", "p_two_sided"],
    *["family", "family_size", "p_bonferroni", "p_holm", *SPREADS, *COUNTS, "note"],
]
NUMBERS = {"fraction", "mean", "difference", "low", "high", "p_harm", "p_two_sided", "p_bonferroni", "p_holm", *SPREADS}
WHOLE = {"multiplier", "family_size", *COUNTS}
NEEDED = {"fraction", "multiplier", *COUNTS}  # numbers that are always there


def means(predicted: Predicted, resampled: Resampled, seed: int) -> pd.DataFrame:
    """Return one row (INTERVALS) a cell and metric: the mean of its trials, the value of `summary.csv`, with its interval."""
    rows = []
    for cell in ordered_cells(predicted):
        trials = predicted.trials_of(*cell)
        members = [Member(*cell, trial) for trial in trials]
        for metric in resampled.draws:
            values, draws = _columns(resampled, metric, members)
            estimate = interval(values, draws, predicted.n_patients, rng(seed, *cell), (0.0, 1.0))
            row = _row(predicted, resampled, metric, estimate, trials, draws)
            rows.append({"fraction": cell[0], "arm": cell[1], "multiplier": cell[2], "mean": estimate.value, **row})
    return pd.DataFrame(rows, columns=INTERVALS)


def differences(
    predicted: Predicted, resampled: Resampled, pairs: Sequence[tuple[str, str]], seed: int
) -> pd.DataFrame:
    """Return one row (DIFFERENCES without families) a metric and comparison.

    Every synthetic cell is compared with real films alone at its fraction, and with the arm `against` of each pair at its
    fraction and multiplier. A difference is paired: trials of the same number, on the same draws of patients. Only trials
    that both cells have are compared; the note names the others.
    """
    rows = []
    for arm, other in _comparisons(ordered_cells(predicted), pairs):
        mine, theirs = predicted.trials_of(*arm), predicted.trials_of(*other)
        trials = [trial for trial in mine if trial in theirs]
        if not trials:
            continue
        for metric in resampled.draws:
            values, draws = _columns(resampled, metric, [Member(*arm, trial) for trial in trials])
            base, base_draws = _columns(resampled, metric, [Member(*other, trial) for trial in trials])
            draws = draws - base_draws
            estimate = interval(
                values - base,
                draws,
                predicted.n_patients,
                rng(seed, *arm, other[1]),
                smaller_is_better=metric in SMALLER_IS_BETTER,
            )
            row = _row(predicted, resampled, metric, estimate, trials, draws)
            row["note"] = "; ".join(filter(None, [row["note"], _unpaired(arm[1], mine, other[1], theirs)]))
            about = {"fraction": arm[0], "arm": arm[1], "against": other[1], "multiplier": arm[2]}
            rows.append({**about, "difference": estimate.value, **row})
    return pd.DataFrame(rows, columns=[name for name in DIFFERENCES if name not in ("family", "family_size")])


def with_families(table: pd.DataFrame, family: str, metrics: Sequence[str], alpha: float) -> pd.DataFrame:
    """Return a table of differences (DIFFERENCES) with the two-sided P corrected in families, anew.

    Comparisons with the real films share a family as the t tests do (`statistics.family`). Each pair of arms is a family of
    its own. Metrics that are not in `metrics` are described and not tested: they belong to no family.
    """
    table = table.drop(columns=["family", "family_size", "p_bonferroni", "p_holm"], errors="ignore")
    tested = table["metric"].isin(metrics)
    used = table[tested].assign(task=lambda rows: rows["task"].map(lambda name: TASK_OF.get(name, name)))
    names = family_names(used, family)
    pairs = [
        f"{name} against {against}" if against == REAL else f"{name}: {arm} against {against}"
        for name, arm, against in zip(names, used["arm"], used["against"])
    ]
    used = correct(used.assign(family=pairs), "p_two_sided", alpha)
    table = table.join(used[["family", "family_size", "p_bonferroni", "p_holm"]])
    return table.assign(family=table["family"].fillna(""), family_size=table["family_size"].fillna(0).astype(int))[
        DIFFERENCES
    ]


def read_intervals(path: Path, columns: Sequence[str] = tuple(DIFFERENCES)) -> pd.DataFrame:
    """Read differences.csv or intervals.csv; a number that could not be had is NaN. Raises InputError as read_columns."""
    optional = [name for name in columns if name not in NEEDED]
    return read_columns(path, columns, NUMBERS, WHOLE, (), optional)


def ordered_cells(predicted: Predicted) -> list[Cell]:
    """Return the cells, by fraction as a number, real films first."""
    cells = {member[:3] for member in predicted.members}
    return sorted(cells, key=lambda cell: (float(cell[0]), cell[1] != REAL, cell[1], cell[2]))


def _comparisons(cells: Sequence[Cell], pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[Cell, Cell]]:
    for fraction, arm, multiplier in cells:
        if arm != REAL and (fraction, REAL, 0) in cells:
            yield (fraction, arm, multiplier), (fraction, REAL, 0)
    for one, against in pairs:
        for fraction, arm, multiplier in cells:
            if arm == one and (other := (fraction, against, multiplier)) in cells:
                yield (fraction, arm, multiplier), other


def _columns(resampled: Resampled, metric: str, members: Sequence[Member]) -> tuple[np.ndarray, np.ndarray]:
    places = [resampled.members.index(member) for member in members]
    return resampled.points[metric][places], resampled.draws[metric][:, places]


def _row(
    predicted: Predicted,
    resampled: Resampled,
    metric: str,
    found: Interval,
    trials: Sequence[int],
    draws: np.ndarray,
) -> dict[str, Any]:
    counts = {"n_trials": len(trials), "n_patients": predicted.n_patients, "n_films": len(predicted.films)}
    notes = [found.note, *_draw_notes(predicted, resampled, metric, draws, found)]
    if not np.isnan(found.low):
        notes.append("one trial: the interval counts test films alone" if len(trials) == 1 else "")
        notes.append(coverage_note(len(trials), len(predicted.films)))
    about = {"dataset": predicted.dataset, "task": predicted.task, "metric": metric}
    kept: Mapping[str, Any] = {key: value for key, value in asdict(found).items() if key not in ("value", "note")}
    return {**about, **kept, **counts, "note": "; ".join(filter(None, notes))}


def _draw_notes(
    predicted: Predicted, resampled: Resampled, metric: str, draws: np.ndarray, found: Interval
) -> Iterator[str]:
    """Yield how many draws have no value, or a macro mean over fewer labels."""
    if np.isnan(found.low):
        return
    lost = int(np.isnan(draws).any(axis=1).sum())
    if lost:
        yield f"{lost} of {len(draws)} draws have films of one class only and are left out"
    fewer = int(np.count_nonzero(resampled.fewer)) - lost
    if len(predicted.labels) > 1 and fewer > 0:
        lacking = "a label has films of one class only"
        if predicted.says != LABELS:
            lacking = "a structure is on none or all of the films"
        yield f"in {fewer} of {len(draws)} draws {lacking}; their mean is over the others"


def _unpaired(arm: str, mine: Sequence[int], other: str, theirs: Sequence[int]) -> str:
    lost = [
        f"trial {', '.join(map(str, sorted(set(these) - set(rest))))} of {name} alone"
        for name, these, rest in ((arm, mine, theirs), (other, theirs, mine))
        if set(these) - set(rest)
    ]
    return "not compared: " + "; ".join(lost) if lost else ""
