"""Whether the answer holds again: under other seeds, or on test films from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from scripts.lib.evidence.resampling import SMALLER_IS_BETTER
from scripts.lib.reporting.page.comparisons import HARMS, HELPS, ComparisonRow, Seeds
from scripts.lib.reporting.page.lines import AMBER, GREEN, RED, Facts, Line, absent, line
from scripts.lib.reporting.page.words import count, listed, none_of, part_of
from scripts.lib.study.arms import REAL


def over_seeds(facts: Facts) -> str:
    """Return how many comparisons with the real films alone are a gain, and how many a loss, beyond their interval over seeds.

    Counted are the comparisons of the headline that replication.csv has; "" without any.
    """
    rows = [one for one in facts.comparisons if (one.arm, one.against) == (facts.arm, REAL)]
    gains, losses, every = sides(rows)
    if not every:
        return ""
    parts = [f"a {word} in {many}" for many, word in ((gains, "gain"), (losses, "loss")) if many]
    said = f"{listed(parts)} of" if parts else "neither gain nor loss in any of"
    told = f"{said} {count(every, 'comparison')}"
    if every == 1:
        told = f"{'a gain' if gains else 'a loss' if losses else 'neither gain nor loss'} in the one comparison"
    seeds = count(_most(rows), "seed")
    return f"Over {seeds} of the whole study, the mean difference is {told}, beyond its 95 % interval."


def sides(rows: Sequence[ComparisonRow]) -> tuple[int, int, int]:
    """Return gains and losses whose interval over seeds leaves out 0, and how many comparisons have one."""
    pairs = [(one.seeds, one.smaller_is_better) for one in rows if one.seeds]
    above, below = ([_side(seeds) == side * (-1 if less else 1) for seeds, less in pairs] for side in (1, -1))
    return sum(above), sum(below), len(pairs)


def _side(seeds: Seeds) -> int:
    """Return on which side of 0 the whole interval lies, 1 or -1; 0 where it holds 0, or is not known."""
    return (seeds.low > 0) - (seeds.high < 0)


def _most(rows: Sequence[ComparisonRow]) -> int:
    return max((one.seeds.count for one in rows if one.seeds), default=0)


def replication(facts: Facts) -> Line:
    """Return the line of replication.csv, or of external.csv where there is no other seed."""
    key, title = "replication", "The answer holds with other seeds and other hospitals' films"
    if any(one.seeds for one in facts.comparisons):
        return _again(facts.comparisons, key, title)
    elsewhere = external_text(facts)
    if not elsewhere:
        return absent(
            key,
            title,
            "tables/replication.csv",
            "`make replicate` measures it. No model was tested on films from elsewhere either",
        )
    return line(key, title, AMBER, f"on films from elsewhere, without an interval: {elsewhere}")


def external_text(facts: Facts) -> str:
    """Return how often images are better on the films of other cohorts, "" where no model was tested on such films."""
    names = [
        name for name in facts.config["study"]["datasets"] if facts.tables.text(f"{name}/external.csv") is not None
    ]
    return "; ".join(part for name in names for part in _external(facts, name))


def _again(rows: Sequence[ComparisonRow], key: str, title: str) -> Line:
    """Return how many of the decided answers the interval over seeds confirms or contradicts."""
    decided, seeds = [one for one in rows if one.verdict in (HELPS, HARMS)], count(_most(rows), "seed")
    if not decided:
        return line(
            key, title, AMBER, f"this study decides nothing that {seeds} could confirm; the table has the differences"
        )
    agreeing = [_side(one.seeds) * (1 if one.difference > 0 else -1) if one.seeds else 0 for one in decided]
    held, turned = agreeing.count(1), agreeing.count(-1)
    state = RED if turned else GREEN if held == len(decided) else AMBER
    confirmed = part_of(held, len(decided), "decided comparison")
    reason = f"over {seeds} the interval confirms {confirmed} and contradicts {none_of(turned)}"
    return line(key, title, state, reason)


def _external(facts: Facts, dataset: str) -> list[str]:
    """Return, for each other cohort, in how many cells the mean is higher with images than with real films alone."""
    table = facts.tables.text(f"{dataset}/external.csv")
    assert table is not None
    rows = table.assign(value=pd.to_numeric(table["value"], errors="coerce"))
    rows = rows[rows["metric"].isin(facts.config["statistics"]["metrics"])]
    parts = []
    for cohort, part in rows.groupby("tested_on"):
        mean = part.groupby(["metric", "fraction", "arm", "multiplier"])["value"].mean().reset_index()
        real = mean[mean["arm"] == REAL][["metric", "fraction", "value"]]
        both = mean[mean["arm"] == facts.arm].merge(real, on=["metric", "fraction"], suffixes=("", "_real")).dropna()
        higher = (both["value"] > both["value_real"]).where(
            ~both["metric"].isin(SMALLER_IS_BETTER), both["value"] < both["value_real"]
        )
        name = facts.names.dataset(str(cohort))
        parts.append(
            f"{facts.names.dataset(dataset)} on {name}: better in {int(higher.sum())} of {count(len(both), 'cell')}"
        )
    return parts
