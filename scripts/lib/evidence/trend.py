"""Does more synthetic data help more? Tests of a rising metric over the multipliers (the paper's second hypothesis)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scripts.lib.evidence.statistics import check_trials

COLUMNS = ["dataset", "metric", "fraction", "arm", "multipliers", "trials", "spearman", "page_l", "p_value", "note"]


def trend(trials: pd.DataFrame, metrics: Sequence[str] = ()) -> pd.DataFrame:
    """Return one row a setting and metric: Spearman's correlation of metric and multiplier, and Page's trend test.

    Page's test ranks the synthetic multipliers inside each trial, which holds its subset and seed fixed, and is exact:
    with two trials of four multipliers its smallest P is 1 / 24^2. One-tailed, not corrected. Real films alone have no
    rank: if any number of synthetic images helps, they come last in every trial, and the test would reject without
    any answer to the number.
    """
    check_trials(trials)
    used = trials[trials["metric"].isin(metrics)] if metrics else trials
    rows = []
    for (dataset, metric, fraction), here in used.groupby(["dataset", "metric", "fraction"], sort=True):
        for arm in sorted(set(here["arm"]) - {"real"}):
            synthetic = here[here["arm"] == arm]
            row = {"dataset": dataset, "metric": metric, "fraction": fraction, "arm": arm}
            rows.append(row | _test(synthetic.pivot(index="trial", columns="multiplier", values="value").astype(float)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _test(values: pd.DataFrame) -> dict[str, Any]:
    """Test a table of values, one row a trial and one column a multiplier, ascending."""
    whole = values.dropna()
    steps = [int(multiplier) for multiplier in values.columns]
    row: dict[str, Any] = {"multipliers": " ".join(map(str, steps)), "trials": len(whole), "note": ""}
    if len(whole) < len(values):
        lost = ", ".join(str(trial) for trial in values.index.difference(whole.index))
        row["note"] = f"without trial {lost}, which lacks a multiplier"
    long = whole.melt(var_name="multiplier", value_name="value")
    varies = len(long) > 2 and long["value"].nunique() > 1
    if varies and long["multiplier"].nunique() > 1:
        row["spearman"] = float(stats.spearmanr(long["multiplier"].astype(float), long["value"])[0])
    if len(whole) < 2 or len(steps) < 3 or not varies:
        reason = "not testable: two trials of three synthetic multipliers that differ are needed"
        return row | {
            "spearman": row.get("spearman", np.nan),
            "note": "; ".join(filter(None, [reason, row["note"]])),
        }
    page = stats.page_trend_test(whole.to_numpy(), method="exact")
    return row | {"page_l": float(page.statistic), "p_value": float(page.pvalue)}
