"""What README and docs say of the embedded study under several seeds, made from a run of `make replicate`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.json_files import read_json
from scripts.lib.core.markdown import markdown_row
from scripts.lib.core.phantom import ALL
from scripts.lib.evidence.replication import read_coverage
from scripts.lib.reporting.page.lines_answer import BY_CHANCE
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.words import between, count, listed, percent, signed, span
from scripts.lib.study.arms import REAL
from scripts.lib.study.reported import RECORD

COVERAGE = "tables/replication_coverage.csv"


def replication_facts(results: Path) -> dict[str, dict[str, Any]]:
    """Return {"replication": the cells, "seeds": the same with what intervals hold}; nothing without a report that has seeds.

    Cells are those of the report's headline, in its order: the study's arm against real films alone.
    """
    if not (results / RECORD).is_file():
        return {}
    record = read_json(results / RECORD, "the record of a report")
    names, arm = Names(record["config"]), record["config"]["figures"]["arm"]
    known = [one for one in record["comparisons"] if one.get("seeds") and (one["arm"], one["against"]) == (arm, REAL)]
    if not known:
        return {}
    cells = [
        {
            "title": f"{names.dataset(one['dataset'])}, {names.metric(one['metric'])}",
            **{name: one[name] for name in ("fraction", "multiplier", "n_real")},
            **{name: round(one["seeds"][name], 3) for name in ("mean", "low", "high")},
        }
        for one in known
    ]
    facts = {"seeds": max(one["seeds"]["count"] for one in known), "cells": cells}
    held = _intervals(results / COVERAGE, {one["metric"] for one in known}, names)
    return {"replication": facts, "seeds": {**facts, "intervals": held}}


def replication_text(facts: Mapping[str, Any]) -> str:
    """Return the sentences: of each share of the real films, how many mean differences over seeds leave out 0, on either side."""
    cells = facts["cells"]
    parts = [_of_fraction(fraction, rows) for fraction, rows in _by_fraction(cells)]
    return (
        f"*The same study under {count(facts['seeds'], 'seed')}, each with films, split, models and trainings of its own (`make replicate`). Mean "
        f"differences whose 95 % interval over seeds leaves out 0: {'; '.join(parts)}. Chance alone gives about "
        f"{count(round(BY_CHANCE * len(cells), 1), 'such difference')} on either side.*"
    )


def seeds_table(facts: Mapping[str, Any]) -> str:
    """Return a Markdown table, one row a dataset and share of its real films, one column a multiplier, and what intervals hold.

    Bold is a mean whose interval leaves out 0.
    """
    multipliers = sorted({cell["multiplier"] for cell in facts["cells"]})
    lines = [
        markdown_row(["dataset, score", "real films", *(f"{one} images a film" for one in multipliers)]),
        "|---|---|" + "---|" * len(multipliers),
    ]
    rows: dict[tuple[Any, ...], dict[int, str]] = {}
    for cell in facts["cells"]:
        least, most = cell["n_real"]
        films = f"{between(least, most, 'film')} ({percent(cell['fraction'])})"
        rows.setdefault((cell["title"], films), {})[cell["multiplier"]] = _mean(cell)
    lines += [markdown_row([*key, *(row.get(one, "") for one in multipliers)]) for key, row in rows.items()]
    return "\n".join([*lines, "", *_held(facts["intervals"])])


def _intervals(path: Path, metrics: Collection[str], names: Names) -> list[dict[str, Any]]:
    """Return, of each of these scores, how often one run's interval holds the mean over seeds, and how wide it should be."""
    table = read_coverage(path)
    rows = table[(table["dataset"] == ALL) & table["metric"].isin(metrics)]
    return [
        {
            "metric": names.metric(row["metric"]),
            "n_intervals": int(row["n_intervals"]),
            **{name: round(float(row[name]), 3) for name in ("covered", "expected", "spread_ratio")},
        }
        for row in rows.to_dict("records")
    ]


def _by_fraction(cells: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, list[Mapping[str, Any]]]]:
    for fraction in sorted({cell["fraction"] for cell in cells}):
        yield fraction, [cell for cell in cells if cell["fraction"] == fraction]


def _of_fraction(fraction: float, cells: Sequence[Mapping[str, Any]]) -> str:
    """Return "with 1 % of the real films (3 to 4 films) 9 of 16 are gains and 1 is a loss (means from -0.01 to +0.36)"."""
    least, most = min(cell["n_real"][0] for cell in cells), max(cell["n_real"][1] for cell in cells)
    gains, losses = sum(cell["low"] > 0 for cell in cells), sum(cell["high"] < 0 for cell in cells)
    means = [cell["mean"] for cell in cells]
    found = (
        listed([count(n, one, more) for n, one, more in ((gains, "gain", "gains"), (losses, "loss", "losses")) if n])
        or "none"
    )
    return (
        f"with {percent(fraction)} of the real films ({between(least, most, 'film')}) {found} of {len(cells)} "
        f"(means from {signed(min(means))} to {signed(max(means))})"
    )


def _mean(cell: Mapping[str, Any]) -> str:
    decided = cell["low"] > 0 or cell["high"] < 0
    mean = signed(cell["mean"])
    return f"{f'**{mean}**' if decided else mean} ({span(cell['low'], cell['high'])})"


def _held(intervals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in intervals:
        yield (
            f"The 95 % intervals that single runs state for {one['metric']} hold the mean over seeds in {100 * one['covered']:.1f} % of "
            f"{one['n_intervals']} cases; right ones would in {100 * one['expected']:.1f} %. The differences spread "
            f"{one['spread_ratio']:.2f} times as far over seeds as one run's standard error says."
        )
