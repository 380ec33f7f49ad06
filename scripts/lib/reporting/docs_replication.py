"""What README and docs say of the embedded study under several seeds, made from a run of `make replicate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.core.json_files import read_json
from scripts.lib.core.phantom import ALL
from scripts.lib.evidence.replication import read_coverage, read_replication
from scripts.lib.reporting.page.lines_answer import BY_CHANCE
from scripts.lib.reporting.page.words import between, count, listed, percent, signed, span
from scripts.lib.study.reported import RECORD

TABLE, COVERAGE = "tables/replication.csv", "tables/replication_coverage.csv"
LABELS = {"f1": "F1", "dice": "Dice"}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def replication_facts(results: Path) -> dict[str, dict[str, Any]]:
    """Return {"replication": the cells, "seeds": the same with what intervals hold}; nothing without the table and a report.

    Cells are those that the report compares, in its order: the study's arm against real films alone, in the score of Figure 2.
    """
    if not ((results / TABLE).is_file() and (results / RECORD).is_file()):
        return {}
    record, table = read_json(results / RECORD, "the record of a report"), read_replication(results / TABLE)
    names = ["dataset", "metric", "fraction", "arm", "against", "multiplier"]
    rows = {tuple(row[name] for name in names): row for row in table.to_dict("records")}
    titles = {name: dataset["title"] for name, dataset in record["config"]["datasets"].items()}
    cells = []
    for one in record["comparisons"]:
        row = rows.get(tuple(one[name] for name in names))
        if row is not None:
            cell = {name: round(float(row[name]), 3) for name in ("mean", "low", "high", "same_sign")}
            fixed = {name: one[name] for name in ("metric", "fraction", "multiplier", "n_real")}
            cells.append({"title": titles[one["dataset"]], **fixed, **cell})
    facts = {"seeds": int(table["n_seeds"].max()), "cells": cells}
    return {"replication": facts, "seeds": {**facts, "intervals": _intervals(results / COVERAGE, cells)}}


def replication_text(facts: Mapping[str, Any]) -> str:
    """Return the sentences: of each share of the real films, how many mean differences over seeds leave out 0, on either side."""
    cells = facts["cells"]
    parts = [_of_fraction(fraction, rows) for fraction, rows in _by_fraction(cells)]
    seeds = facts["seeds"]
    said = NUMBERS[seeds] if seeds < len(NUMBERS) else str(seeds)
    return (
        f"*The same study under {said} seeds, each with films, split, models and trainings of its own (`make replicate`). Mean "
        f"differences whose 95 % interval over seeds leaves out 0: {'; '.join(parts)}. Chance alone gives about "
        f"{count(round(BY_CHANCE * len(cells), 1), 'such difference')} on either side.*"
    )


def seeds_table(facts: Mapping[str, Any]) -> str:
    """Return a Markdown table, one row a dataset and share of its real films, one column a multiplier, and what intervals hold.

    Bold is a mean whose interval leaves out 0.
    """
    multipliers = sorted({cell["multiplier"] for cell in facts["cells"]})
    lines = [
        f"| dataset, score | real films | {' | '.join(f'{one} images a film' for one in multipliers)} |",
        "|---|---|" + "---|" * len(multipliers),
    ]
    rows: dict[tuple[Any, ...], dict[int, str]] = {}
    for cell in facts["cells"]:
        least, most = cell["n_real"]
        films = f"{between(least, most, 'film')} ({percent(cell['fraction'])})"
        key = (f"{cell['title']}, {LABELS.get(cell['metric'], cell['metric'])}", films)
        rows.setdefault(key, {})[cell["multiplier"]] = _mean(cell)
    lines += [f"| {' | '.join([*key, *(row.get(one, '') for one in multipliers)])} |" for key, row in rows.items()]
    return "\n".join([*lines, "", *_held(facts["intervals"])])


def _intervals(path: Path, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return, of each score of the cells, how often one run's interval holds the mean over seeds, and how wide it should be."""
    table = read_coverage(path)
    rows = table[(table["dataset"] == ALL) & table["metric"].isin({cell["metric"] for cell in cells})]
    return [
        {
            "metric": str(row["metric"]),
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
    sides = [f"{n} {one if n == 1 else more}" for n, one, more in _sides(gains, losses)]
    found = listed(sides) if sides else "none"
    return (
        f"with {percent(fraction)} of the real films ({between(least, most, 'film')}) {found} of {len(cells)} "
        f"(means from {signed(min(means))} to {signed(max(means))})"
    )


def _sides(gains: int, losses: int) -> list[tuple[int, str, str]]:
    return [side for side in ((gains, "gain", "gains"), (losses, "loss", "losses")) if side[0]]


def _mean(cell: Mapping[str, Any]) -> str:
    decided = cell["low"] > 0 or cell["high"] < 0
    mean = signed(cell["mean"])
    return f"{f'**{mean}**' if decided else mean} ({span(cell['low'], cell['high'])})"


def _held(intervals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in intervals:
        name = LABELS.get(one["metric"], one["metric"])
        yield (
            f"The 95 % intervals that single runs state for {name} hold the mean over seeds in {100 * one['covered']:.1f} % of "
            f"{one['n_intervals']} cases; right ones would in {100 * one['expected']:.1f} %. The differences spread "
            f"{one['spread_ratio']:.2f} times as far over seeds as one run's standard error says."
        )
