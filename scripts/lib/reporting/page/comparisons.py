"""Each comparison of a study with its verdict: does an arm help, harm, change nothing that matters, or can it not be told?

The verdict comes from differences.csv alone: the two-sided interval that counts trials and test patients, and its P value corrected
within the family. The paper's one-tailed t test, which cannot see harm, stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scripts.lib.evidence.resampling import SMALLER_IS_BETTER
from scripts.lib.reporting.page.tables import Tables
from scripts.lib.study.arms import REAL

HELPS, HARMS, SAME, OPEN, UNTESTED = "helps", "harms", "no difference", "undecided", "not testable"
VERDICTS = (HELPS, HARMS, SAME, OPEN, UNTESTED)
CELL = ["dataset", "metric", "fraction", "arm", "multiplier"]
NUMBERS = ["fraction", "multiplier", "difference", "low", "high", "p_bonferroni", "n_trials", "n_patients", "n_films"]
Key = tuple[Any, ...]
Worth = tuple[float, float, float, str, str, str]


@dataclass(frozen=True)
class Seeds:
    """What replication.csv says of a comparison: the mean difference over so many seeds, with its 95 % interval."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ComparisonRow:
    """One row of differences.csv of a tested metric; numbers are NaN where a table does not give them.

    difference, low, high  `arm` less `against`, in the metric, with the 95 % interval
    p                      two-sided, corrected within the family
    n_real                 (fewest, most) real films that the trials learn from
    before, after          means of `against` and `arm`
    worth                  (films, low, high, bound, low_bound, high_bound) of equivalence.csv: real films that alone give the
                           arm's score; None without the table
    detectable             the smallest difference that this design finds, from power.csv
    seeds                  the same comparison under other seeds, from replication.csv; None without it
    """

    dataset: str
    metric: str
    fraction: float
    arm: str
    against: str
    multiplier: int
    difference: float
    low: float
    high: float
    p: float
    verdict: str
    n_trials: int
    n_patients: int
    n_films: int
    n_real: tuple[float, float]
    before: float
    after: float
    worth: Worth | None
    detectable: float
    seeds: Seeds | None
    note: str

    @property
    def smaller_is_better(self) -> bool:
        """Whether a fall of the metric is a gain."""
        return self.metric in SMALLER_IS_BETTER


def verdict(metric: str, difference: float, low: float, high: float, p: float, alpha: float, wanted: float) -> str:
    """Return which of VERDICTS a comparison has.

    alpha   level of the corrected P value
    wanted  a difference that matters, in the metric: an interval within -wanted and +wanted is "no difference"
    A difference that is significant and below `wanted` still helps or harms: it is there, however small.
    """
    if not all(math.isfinite(value) for value in (difference, low, high)):
        return UNTESTED
    if math.isfinite(p) and p < alpha and not low <= 0 <= high:
        return HELPS if (difference > 0) != (metric in SMALLER_IS_BETTER) else HARMS
    return SAME if -wanted < low and high < wanted else OPEN


def read_comparisons(tables: Tables, config: Mapping[str, Any]) -> list[ComparisonRow]:
    """Return the comparisons of tested metrics in the order of the table; none where there is no table.

    config: the study's configuration; of its section `statistics` alpha and power.difference are used.
    """
    table = tables.get("differences", ["dataset", "metric", "arm", "against", "family", "note"], NUMBERS)
    if table is None:
        return []
    films, means, worth = _films(tables), _means(tables), _worth(tables)
    least, seeds = _detectable(tables), _seeds(tables)
    settings = config["statistics"]
    rows = []
    for row in table[table["family"] != ""].to_dict("records"):
        cell = tuple(row[name] for name in CELL)
        other = (*cell[:3], row["against"], 0 if row["against"] == REAL else row["multiplier"])
        ends = (row["difference"], row["low"], row["high"], row["p_bonferroni"])
        rows.append(
            ComparisonRow(
                dataset=row["dataset"],
                metric=row["metric"],
                fraction=row["fraction"],
                arm=row["arm"],
                against=row["against"],
                multiplier=_whole(row["multiplier"]),
                difference=row["difference"],
                low=row["low"],
                high=row["high"],
                p=row["p_bonferroni"],
                verdict=verdict(row["metric"], *ends, settings["alpha"], settings["power"]["difference"]),
                n_trials=_whole(row["n_trials"]),
                n_patients=_whole(row["n_patients"]),
                n_films=_whole(row["n_films"]),
                n_real=films.get((row["dataset"], row["fraction"]), (math.nan, math.nan)),
                before=means.get(other, math.nan),
                after=means.get(cell, math.nan),
                worth=worth.get(cell) if row["against"] == REAL else None,
                detectable=least.get((*cell, row["against"]), math.nan),
                seeds=seeds.get((*cell, row["against"])),
                note=row["note"],
            )
        )
    return rows


def _whole(value: float) -> int:
    return int(value) if math.isfinite(value) else 0


def _films(tables: Tables) -> dict[Key, tuple[float, float]]:
    """Return {(dataset, fraction): (fewest, most)} real films of a trial."""
    table = tables.get("trials", ["dataset"], ["fraction", "n_real"])
    if table is None or table.empty:
        return {}
    ends = table.groupby(["dataset", "fraction"])["n_real"].agg(["min", "max"])
    return {key: (float(low), float(high)) for key, low, high in ends.itertuples()}


def _means(tables: Tables) -> dict[Key, float]:
    table = tables.get("intervals", ["dataset", "metric", "arm"], ["fraction", "multiplier", "mean"])
    return {} if table is None else _keyed(table, CELL, "mean")


def _detectable(tables: Tables) -> dict[Key, float]:
    table = tables.get(
        "power", ["dataset", "metric", "arm", "against"], ["fraction", "multiplier", "detectable", "wanted"]
    )
    return {} if table is None else _keyed(table, [*CELL, "against"], "detectable")


def _seeds(tables: Tables) -> dict[Key, Seeds]:
    numbers = ["fraction", "multiplier", "mean", "low", "high", "n_seeds"]
    table = tables.get("replication", ["dataset", "metric", "arm", "against"], numbers)
    rows = [] if table is None else table.to_dict("records")
    return {
        tuple(row[name] for name in (*CELL, "against")): Seeds(
            row["mean"], row["low"], row["high"], _whole(row["n_seeds"])
        )
        for row in rows
    }


def _keyed(table: pd.DataFrame, key: list[str], value: str) -> dict[Key, float]:
    return {tuple(row[:-1]): float(row[-1]) for row in table[[*key, value]].itertuples(index=False, name=None)}


def _worth(tables: Tables) -> dict[Key, Worth]:
    """Return {cell: Worth} where real films alone would give the cell's score for so many films."""
    numbers = ["fraction", "multiplier", "n_equivalent", "low", "high"]
    table = tables.get(
        "equivalence", ["dataset", "metric", "arm", "kind", "bound", "low_bound", "high_bound", "note"], numbers
    )
    if table is None:
        return {}
    cells = table[(table["kind"] == "cell") & table["n_equivalent"].notna() & ~table["note"].str.contains("nothing")]
    worth: dict[Key, Worth] = {}
    for row in cells.to_dict("records"):
        bounds = (row["bound"], row["low_bound"], row["high_bound"])
        worth[tuple(row[name] for name in CELL)] = (row["n_equivalent"], row["low"], row["high"], *bounds)
    return worth
