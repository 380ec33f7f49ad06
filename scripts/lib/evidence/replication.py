"""The differences of a study under several seeds: what holds under all of them, and do the stated intervals count enough?

A seed draws everything anew: split, subsets, first weights, generator, noise. One run's interval counts trials and test films.
If nothing else mattered, the differences of several seeds would spread as its standard error says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scripts.lib.core.errors import InputError
from scripts.lib.core.phantom import ALL
from scripts.lib.evidence.bootstrap import CONFIDENCE, NORMAL
from scripts.lib.evidence.differences import SPREADS
from scripts.lib.evidence.resampling import SMALLER_IS_BETTER
from scripts.lib.formats.csv_text import read_columns

SETTING = ["dataset", "task", "metric", "fraction", "arm", "against"]
CELL = [*SETTING, "multiplier"]
SEEDS = [*CELL, "seed", "difference", "low", "high", "standard_error", "verdict", "is_best"]
SHARES = ["same_sign", "helps", "harms", "same_verdict", "best", "covered"]
REPLICATION = [*CELL, "mean", "low", "high", "sd_seeds", "se_within", "share_between", *SHARES, "n_seeds", "note"]
COVERAGE = [
    *["dataset", "metric", "n_cells", "n_seeds", "n_intervals", "covered", "expected", "spread_ratio"],
    *["same_sign", "all_agree", "same_verdict", "contradicted"],
]
HELPS, HARMS, UNSURE = "helps", "harms", "cannot tell"
FEW_SEEDS = 5  # with fewer the note says so


def gather_seeds(tables: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of differences.csv of all seeds that have a value (columns SEEDS), in the order of the first.

    standard_error  that one run states, from its three spreads; of one trial, trials count nothing; NaN without an interval
    verdict         helps or harms where the interval leaves out 0, else "cannot tell"
    is_best         whether no other multiplier of the same setting and seed does better

    Raises InputError where no seed has any difference.
    """
    rows = pd.concat([table.assign(seed=seed) for seed, table in tables.items()], ignore_index=True)
    rows = rows[rows["difference"].notna()].copy()
    if rows.empty:
        raise InputError(f"no difference under any of the seeds {', '.join(map(str, tables))}: nothing to replicate")
    trials, of_films, shared = (rows[name].fillna(0.0) ** 2 for name in SPREADS)
    stated = ((trials + of_films) / rows["n_trials"] + shared) ** 0.5
    rows["standard_error"] = stated.where(rows["low"].notna())
    better = pd.Series(np.where(rows["metric"].isin(SMALLER_IS_BETTER), -1, 1), rows.index)
    side = np.sign(rows["difference"]).where((rows["low"] > 0) | (rows["high"] < 0), 0) * better
    rows["verdict"] = side.map({1: HELPS, -1: HARMS}).fillna(UNSURE)
    gain = rows["difference"] * better
    rows["is_best"] = gain == gain.groupby([rows[name] for name in [*SETTING, "seed"]]).transform("max")
    return rows[SEEDS].reset_index(drop=True)


def replicate(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row (REPLICATION) a metric and comparison, from the rows of `gather_seeds`."""
    seeds = sorted(rows["seed"].unique())
    replicated = [
        {**dict(zip(CELL, key)), **_row(cell), "note": "; ".join(_notes(cell, seeds))}
        for key, cell in rows.groupby(CELL, sort=False)
    ]
    return pd.DataFrame(replicated, columns=REPLICATION)


def count_coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row (COVERAGE) a metric and dataset, and one a metric and all datasets: do the stated intervals count enough?

    Counted are comparisons that every seed has.
    """
    seeds = rows["seed"].nunique()
    cells = rows.groupby(CELL)["difference"]
    rows = rows.assign(mean=cells.transform("mean"))[cells.transform("size") == seeds]
    counted = []
    for metric, alike in rows.groupby("metric", sort=False):
        for dataset, part in [*alike.groupby("dataset", sort=False), (ALL, alike)]:
            counted.append({"dataset": dataset, "metric": metric, **_counted(part, seeds)})
    return pd.DataFrame(counted, columns=COVERAGE)


def read_replication(path: Path) -> pd.DataFrame:
    """Read replication.csv; a number that could not be had is NaN. Raises InputError as read_columns."""
    numbers = {"fraction", "mean", "low", "high", "sd_seeds", "se_within", "share_between", *SHARES}
    return read_columns(path, REPLICATION, numbers, {"multiplier", "n_seeds"}, (), numbers - {"fraction", "mean"})


def read_seeds(path: Path) -> pd.DataFrame:
    """Read replication_seeds.csv in the same way."""
    optional = {"low", "high", "standard_error"}
    return read_columns(
        path, SEEDS, {"fraction", "difference", *optional}, {"multiplier", "seed"}, {"is_best"}, optional
    )


def read_coverage(path: Path) -> pd.DataFrame:
    """Read replication_coverage.csv in the same way."""
    whole = {"n_cells", "n_seeds", "n_intervals"}
    numbers = {name for name in COVERAGE if name not in ("dataset", "metric")} - whole
    return read_columns(path, COVERAGE, numbers, whole, (), numbers)


def expected_share(seeds: int) -> float:
    """Return how often a right 95 % interval of a normal estimate holds the mean over so many seeds, its own among them.

    That mean lies nearer than the truth: an estimate's distance from it has (1 - 1 / seeds) times the variance of the estimate.
    """
    return float(2 * stats.norm.cdf(NORMAL / np.sqrt(1 - 1 / seeds)) - 1) if seeds > 1 else 1.0


def told(coverage: pd.DataFrame, metrics: Sequence[str]) -> list[str]:
    """Return one line a metric for the screen, from the rows of all datasets of a coverage table."""
    rows = coverage[(coverage["dataset"] == ALL) & (coverage["n_intervals"] > 0) & coverage["metric"].isin(metrics)]
    return [
        f"{row['metric']}, {row['n_cells']} differences under {row['n_seeds']} seeds: all seeds agree in sign in "
        f"{row['all_agree']:.0%} of them; stated 95 % intervals hold the mean over seeds in {row['covered']:.1%} "
        f"(right ones: {row['expected']:.1%})"
        for row in rows.to_dict("records")
    ]


def _row(cell: pd.DataFrame) -> dict[str, Any]:
    values, count = cell["difference"].to_numpy(float), len(cell)
    mean, stated = float(values.mean()), cell[cell["low"].notna()]
    within = float(np.sqrt((stated["standard_error"] ** 2).mean()))
    row = {
        "mean": mean,
        "se_within": within,
        "same_sign": float(np.mean(np.sign(values) == np.sign(mean))),
        "helps": float((cell["verdict"] == HELPS).mean()),
        "harms": float((cell["verdict"] == HARMS).mean()),
        "same_verdict": float(cell["verdict"].value_counts().iloc[0] / count),
        "best": float(cell["is_best"].mean()),
        "covered": float(_holds(stated, mean).mean()),
        "n_seeds": count,
    }
    if count == 1:
        return row
    spread = float(values.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * spread / float(np.sqrt(count))
    between = np.nan if spread == 0 or np.isnan(within) else max(0.0, 1 - within**2 / spread**2)
    return row | {
        "low": max(mean - half, -1.0),
        "high": min(mean + half, 1.0),
        "sd_seeds": spread,
        "share_between": between,
    }


def _holds(rows: pd.DataFrame, mean: float | pd.Series) -> pd.Series:
    return (rows["low"] <= mean) & (rows["high"] >= mean)


def _notes(cell: pd.DataFrame, seeds: Sequence[int]) -> Iterator[str]:
    if lost := sorted(set(seeds) - set(cell["seed"])):
        yield f"no value under seed {', '.join(map(str, lost))}"
    if len(cell) == 1:
        yield "one seed: nothing can be said of the spread"
    elif cell["difference"].nunique() == 1:
        yield "all seeds have the same value"
    elif len(cell) < FEW_SEEDS:
        yield f"fewer than {FEW_SEEDS} seeds: their spread is hardly known"
    if bare := sorted(cell.loc[cell["low"].isna(), "seed"]):
        yield f"no stated interval under seed {', '.join(map(str, bare))}"


def _counted(part: pd.DataFrame, seeds: int) -> dict[str, Any]:
    cells = part.groupby(CELL)
    stated = part[part["low"].notna()]
    spreads = stated.groupby(CELL).agg(
        variance=("difference", "var"), error=("standard_error", lambda s: (s**2).mean())
    )
    same = np.sign(part["difference"]) == np.sign(part["mean"])
    verdicts = cells["verdict"]
    within = float(spreads["error"].mean())
    return {
        "n_cells": cells.ngroups,
        "n_seeds": seeds,
        "n_intervals": len(stated),
        "covered": float(_holds(stated, stated["mean"]).mean()),
        "expected": expected_share(seeds),
        "spread_ratio": float(np.sqrt(spreads["variance"].mean() / within)) if within > 0 else np.nan,
        "same_sign": float(same.mean()),
        "all_agree": float(same.groupby([part[name] for name in CELL]).all().mean()),
        "same_verdict": float(verdicts.agg(lambda names: names.value_counts().iloc[0] / len(names)).mean()),
        "contradicted": float(verdicts.agg(lambda names: {HELPS, HARMS} <= set(names)).mean()),
    }
