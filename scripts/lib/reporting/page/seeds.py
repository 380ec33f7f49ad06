"""The answer over seeds, where the study was replicated: it counts what a single run has once only, such as its generator."""

from __future__ import annotations

from scripts.lib.evidence.resampling import SMALLER_IS_BETTER
from scripts.lib.reporting.page.comparisons import CELL
from scripts.lib.reporting.page.lines import Facts
from scripts.lib.reporting.page.words import count, listed
from scripts.lib.study.arms import REAL

REPLICATED = ["fraction", "multiplier", "low", "high", "n_seeds"]


def over_seeds(facts: Facts) -> str:
    """Return how many comparisons with the real films alone are a gain, and how many a loss, beyond their interval over seeds.

    Counted are the comparisons of the headline that replication.csv has; "" without the table.
    """
    table = facts.tables.get("replication", ["dataset", "metric", "arm", "against"], REPLICATED)
    if table is None or table.empty:
        return ""
    names = [*CELL, "against"]
    rows = {tuple(row[name] for name in names): row for row in table.to_dict("records")}
    keys = [tuple(getattr(one, name) for name in names) for one in facts.comparisons if one.arm == facts.arm]
    found = [rows[key] for key in keys if key in rows and rows[key]["against"] == REAL]
    if not found:
        return ""
    better = [row["high"] < 0 if row["metric"] in SMALLER_IS_BETTER else row["low"] > 0 for row in found]
    worse = [row["low"] > 0 if row["metric"] in SMALLER_IS_BETTER else row["high"] < 0 for row in found]
    seeds = count(max(row["n_seeds"] for row in found), "seed")
    sides = [f"a {word} in {many}" for many, word in ((sum(better), "gain"), (sum(worse), "loss")) if many]
    said = f"{listed(sides)} of" if sides else "neither gain nor loss in any of"
    return f"Over {seeds} of the whole study, the mean difference is {said} {count(len(found), 'comparison')}, beyond its 95 % interval."
