"""Does a synthetic arm beat real films alone? One-tailed t tests, their intervals, and their corrections.

The paper (Statistical Analysis) names one-tailed t tests with Bonferroni correction of two trials a cell, not the
variant. Welch's test with a two-sided 95 % interval reproduces both of its headline results; pooled and paired tests
are offered beside it. With two trials, one or two degrees of freedom remain: read the interval, not only P.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scripts.lib.core.errors import InputError
from scripts.lib.study.tasks import TASKS

TESTS = ("welch", "pooled", "paired")
CONFIDENCE = 0.95
CONSTANT = 1e-12  # values closer than this are the same value: their differences are rounding errors
SMALLEST_P = float(np.finfo(float).tiny)
CELL = ["dataset", "metric", "fraction", "arm", "multiplier"]
FAMILIES: dict[str, list[str]] = {
    "setting": ["dataset", "fraction", "arm"],
    "dataset": ["dataset"],
    "task": ["task"],
    "study": [],
}
TASK_OF = {name: task.family for name, task in TASKS.items()}
COLUMNS = [
    *CELL,
    *["trials", "mean_real", "mean_synthetic", "difference", "ci_low", "ci_high", "test", "df", "statistic", "p_value"],
    *["family", "family_size", "p_bonferroni", "p_holm", "significant", "note"],
]


@dataclass(frozen=True)
class Comparison:
    """Synthetic against real: `difference` of the means, its 95 % interval, and the one-tailed test; NaN = none.

    `trials` counts those of the smaller arm (pairs in a paired test); `note` says why something is missing.
    """

    trials: int
    mean_real: float
    mean_synthetic: float
    difference: float
    ci_low: float = np.nan
    ci_high: float = np.nan
    df: float = np.nan
    statistic: float = np.nan
    p_value: float = np.nan
    note: str = ""


def compare(real: ArrayLike, synthetic: ArrayLike, test: str = "welch") -> Comparison:
    """Test whether the mean of `synthetic` is greater than that of `real`; missing values (NaN) are left out.

    A paired test takes the values by position and drops pairs with a missing one. With fewer than two values in an
    arm, or without any variance, there is no test and the note says so. Raises InputError for an unknown test.
    """
    from scipy import stats  # a second, which tables of this room that test nothing do without

    if test not in TESTS:
        raise InputError(f"test {test!r}: expected one of {', '.join(TESTS)}")
    a, b = np.asarray(real, dtype=float), np.asarray(synthetic, dtype=float)
    if test == "paired":
        if len(a) != len(b):
            raise InputError(f"paired test: {len(a)} real and {len(b)} synthetic trials; expected pairs")
        both = ~(np.isnan(a) | np.isnan(b))
        a, b = a[both], b[both]
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    count = min(len(a), len(b))
    mean_a, mean_b = (float(values.mean()) if len(values) else np.nan for values in (a, b))
    comparison = Comparison(count, mean_a, mean_b, mean_b - mean_a)
    if count < 2:
        return replace(comparison, note=f"not testable: {('no trial', 'one trial')[count]} to compare, two are needed")
    if test == "paired":
        error, df = float(np.sqrt(_variance(b - a) / count)), count - 1.0
    else:
        error, df = _standard_error(a, b, pooled=test == "pooled")
    if error == 0:
        constant = "the differences of the pairs do not vary" if test == "paired" else "neither arm varies"
        return replace(comparison, note=f"not testable: {constant} between trials")
    statistic = comparison.difference / error
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, df)) * error
    return replace(
        comparison,
        ci_low=comparison.difference - half,
        ci_high=comparison.difference + half,
        df=df,
        statistic=statistic,
        p_value=max(float(stats.t.sf(statistic, df)), SMALLEST_P),
    )


def _variance(values: np.ndarray) -> float:
    """Return the sample variance; exactly 0 for equal values, which numpy's rounding would miss."""
    return 0.0 if np.ptp(values) <= CONSTANT else float(values.var(ddof=1))


def _standard_error(a: np.ndarray, b: np.ndarray, pooled: bool) -> tuple[float, float]:
    """Return the standard error of the difference of the means and its degrees of freedom."""
    n, m = len(a), len(b)
    if pooled:
        common = ((n - 1) * _variance(a) + (m - 1) * _variance(b)) / (n + m - 2)
        return float(np.sqrt(common * (1 / n + 1 / m))), n + m - 2.0
    u, v = _variance(a) / n, _variance(b) / m
    if u + v == 0:
        return 0.0, np.nan
    # Welch-Satterthwaite in shares of the variance: a constant arm leaves the other's n - 1, and nothing underflows.
    share = u / (u + v)
    return float(np.sqrt(u + v)), 1 / (share**2 / (n - 1) + (1 - share) ** 2 / (m - 1))


def significance(
    trials: pd.DataFrame, test: str = "welch", family: str = "setting", alpha: float = 0.05, metrics: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the significance table (COLUMNS), one row a cell and metric, from the long table of trials.

    Every cell of a synthetic arm is compared with arm `real` at the same dataset and fraction. All metrics listed in
    `metrics` (all when empty) count as tests of a family; a cell that cannot be tested still counts.
    """
    if family not in FAMILIES:
        raise InputError(f"family {family!r}: expected one of {', '.join(FAMILIES)}")
    check_trials(trials)
    chosen = sorted(trials["metric"].unique()) if not metrics else list(metrics)
    used = trials[trials["metric"].isin(chosen)]
    if used.empty:
        raise InputError(f"trials: no row with a metric of {chosen}; the table has {sorted(trials['metric'].unique())}")
    groups = {key: rows.set_index("trial")["value"].astype(float) for key, rows in used.groupby(CELL)}
    of_dataset = {name: sorted(rows["trial"].unique().tolist()) for name, rows in trials.groupby("dataset")}
    rows = [_test_cell(groups, of_dataset[cell["dataset"]], cell, test) for cell in _cells(trials, used)]
    table = pd.DataFrame(rows, columns=[*CELL, "task", *(name for name in COLUMNS if name not in CELL)])
    return _correct(table, family, alpha)[COLUMNS]


def check_trials(trials: pd.DataFrame) -> None:
    """Raise InputError for a trial given twice, two trials that share a seed, or a value that is no finite number."""
    missing = {*CELL, "task", "trial", "seed", "value"} - set(trials.columns)
    if missing:
        raise InputError(f"trials: columns {sorted(missing)} are missing")
    if np.isinf(trials["value"].to_numpy(dtype=float)).any():
        raise InputError("trials: a value is infinite; expected a number, or nothing where a metric cannot be had")
    for column, fault in (
        ("trial", "is given twice"),
        ("seed", "serves two trials, which would be copies of one another"),
    ):
        twice = trials[trials.duplicated([*CELL, column])]
        if len(twice):
            row = twice.iloc[0]
            where = ", ".join(f"{name} {row[name]}" for name in CELL)
            raise InputError(f"trials: {column} {row[column]} {fault} ({where}); keep one of them or give another seed")


def _cells(trials: pd.DataFrame, used: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the synthetic cells of every metric that their dataset has, also where this metric's rows are missing."""
    synthetic = trials[trials["arm"] != "real"]
    cells = synthetic[["dataset", "task", "fraction", "arm", "multiplier"]].drop_duplicates()
    of_dataset = used[["dataset", "metric"]].drop_duplicates()
    return cells.merge(of_dataset, on="dataset").sort_values(CELL).to_dict("records")  # type: ignore[return-value]  # columns are text


def _test_cell(groups: Mapping[tuple, pd.Series], trials: Sequence[int], cell: Mapping[str, Any], test: str) -> dict:
    """Compare one cell with the real films; `groups` {cell: values by trial}, `trials` all that the dataset has."""
    keys = {"real": {**cell, "arm": "real", "multiplier": 0}, cell["arm"]: cell}
    none = pd.Series(dtype=float)
    values = {
        arm: groups.get(tuple(key[name] for name in CELL), none).reindex(list(trials)) for arm, key in keys.items()
    }
    comparison = compare(values["real"].to_numpy(), values[cell["arm"]].to_numpy(), test)
    gaps = [f"{arm}: no value of trial {', '.join(map(str, lost))}" for arm, lost in _lost(values) if lost]
    return {**cell, "test": test, **vars(comparison), "note": "; ".join(filter(None, [comparison.note, *gaps]))}


def _lost(values: Mapping[str, pd.Series]) -> list[tuple[str, list[int]]]:
    return [(name, series.index[series.isna()].tolist()) for name, series in values.items()]


def _correct(table: pd.DataFrame, family: str, alpha: float) -> pd.DataFrame:
    """Add the family of each test and its corrected P values; tests without P count in the size of their family."""
    table = table.assign(task=table["task"].map(lambda name: TASK_OF.get(name, name)))
    table = correct(table.assign(family=family_names(table, family)), "p_value", alpha)
    return table.assign(significant=(table["p_bonferroni"] < alpha).fillna(False))


def family_names(table: pd.DataFrame, family: str) -> list[str]:
    """Return the name of each row's family, e.g. "setting rsna 0.1 original"."""
    return [" ".join([family, *(_text(row[key]) for key in FAMILIES[family])]) for row in table.to_dict("records")]


def correct(table: pd.DataFrame, column: str, alpha: float) -> pd.DataFrame:
    """Add family_size, p_bonferroni and p_holm of the P values of `column` within each `family` of the table."""
    from statsmodels.stats.multitest import multipletests  # as late, for the same reason

    table = table.assign(family_size=0, p_bonferroni=np.nan, p_holm=np.nan)
    for name in sorted(set(table["family"])):
        rows = table.index[table["family"] == name]
        p_values = table.loc[rows, column].to_numpy(dtype=float)
        # A missing P counts as 1: it is the last in Holm's order and changes no other P but through the family's size.
        filled = np.where(np.isnan(p_values), 1.0, p_values)
        table.loc[rows, "family_size"] = len(rows)
        for method in ("bonferroni", "holm"):
            corrected = multipletests(filled, alpha=alpha, method=method)[1]
            table.loc[rows, f"p_{method}"] = np.where(np.isnan(p_values), np.nan, corrected)
    return table


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
