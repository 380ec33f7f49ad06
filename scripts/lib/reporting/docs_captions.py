"""What the captions of README and docs say of a run's tables: first the facts, then the words."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.lib.formats.csv_text import read_columns
from scripts.lib.reporting.docs_first_screen import answer_text
from scripts.lib.reporting.docs_replication import replication_text, seeds_table
from scripts.lib.study.arms import REAL

SENTENCES = {"answer": answer_text, "replication": replication_text}
LINE = 120  # characters of a line of a page
NAMES = {"f1": "F1", "dice": "Dice", "auroc": "AUROC"}
ORDERED = "generators/dpo/accuracy.csv"  # how far the tuned generator orders pairs as raters do


def ordered_facts(results: Path) -> dict[str, Any]:
    """Return {"ordered": {part: share, low, high, pairs, sets}} of the tuned generator of a run; low and high None if unknown."""
    numbers = ("accuracy", "ci_low", "ci_high")
    table = read_columns(
        results / ORDERED, ["part", "sets", "pairs", *numbers], numbers, ("sets", "pairs"), optional=numbers[1:]
    )
    parts = {}
    for _, row in table.iterrows():
        share, low, high = (None if math.isnan(row[name]) else round(float(row[name]), 4) for name in numbers)
        counts = {name: int(row[name]) for name in ("sets", "pairs")}
        parts[row["part"]] = {"share": share, "low": low, "high": high, **counts}
    return {"ordered": parts}


def facts_of(table: pd.DataFrame, figure: str = "figure2") -> dict[str, Any]:
    """Return what a caption says of a table of Figure 2, 3 or 4: by fraction, how many cells rise, and each arm's mean.

    Counted are the cells of all arms beside the real films alone; in Figure 2 of the first, that of figures.arm.
    """
    means, trials = table[table["kind"] == "mean"], table[table["kind"] == "trial"]
    counted = [arm for arm in means["arm"].unique() if arm != REAL]
    counted = counted[:1] if figure == "figure2" else counted
    fractions = []
    for fraction, rows in means.groupby(means["fraction"].astype(float)):
        real, cells = rows[rows["multiplier"] == 0]["n_real"], rows[rows["arm"].isin(counted)]
        fractions.append(
            {
                "fraction": float(fraction),
                # A mean of trials with 3 and 4 films is 3.5.
                "films": [math.floor(real.min()), math.ceil(real.max())],
                "cells": len(cells),
                "rise": int((cells["difference"] > 0).sum()),
                "significant": int(cells["significant"].sum()),
            }
        )
    arms = [{"arm": arm, "value": round(float(value), 2)} for arm, value in zip(means["arm"], means["value"])]
    first = means.iloc[0]
    return {
        "trials": int(trials["trial"].nunique()),
        "fractions": fractions,
        "arms": arms,
        "title": str(first["title"]),
        "metric": str(first["metric"]),
        "multiplier": int(means["multiplier"].max()),
    }


def caption(name: str, facts: dict[str, Any]) -> str:
    """Return the caption of Figure 2, 3 or 4, the answer of the report, or what several seeds say: what was run, and no more."""
    if name == "seeds":
        return f"\n{seeds_table(facts)}\n"
    if name in SENTENCES:
        return textwrap.fill(SENTENCES[name](facts), LINE, break_long_words=False, break_on_hyphens=False)
    trials = f"one run with {facts['trials']} trials a cell"
    if name == "figure2":
        text = (
            f"Figure 2 as `make figure2` draws it on the embedded phantom, {trials}. Cells whose mean is higher with synthetic "
            f"images than without: {', '.join(_of_fraction(one) for one in facts['fractions'])}."
        )
    elif name == "figure3":
        text = (
            f"Figure 3 as `make figure3` draws it, {trials}: a vision-language model chooses among the synthetic images. "
            f"{_in_one_cell(facts)}"
        )
    else:
        text = f"Figure 4 as `make figures` draws it, {trials}. {_ordered(facts['ordered'])} {_in_one_cell(facts)}"
    return textwrap.fill(f"*{text}*", LINE, break_long_words=False, break_on_hyphens=False)


def _percent(one: dict[str, Any]) -> str:
    return f"{100 * one['fraction']:g} %"


def _of_fraction(one: dict[str, Any]) -> str:
    least, most = one["films"]
    films = str(least) if least == most else f"{least} to {most}"
    return f"{one['rise']} of {one['cells']} with {_percent(one)} of the real films ({films} films, {one['significant']} significant)"


def _in_one_cell(facts: dict[str, Any]) -> str:
    (one,) = facts["fractions"]
    arms = ", ".join(f"{arm['arm']} {arm['value']:.2f}" for arm in facts["arms"])
    return (
        f"{NAMES.get(facts['metric'], facts['metric'])} of {facts['title']} with {_percent(one)} of the real films and "
        f"{facts['multiplier']} times as many synthetic images: {arms}. Each arm is tested against real films alone: "
        f"{one['significant']} of {one['cells']} differences are significant."
    )


def _ordered(ordered: dict[str, dict[str, Any]]) -> str:
    """Return what share of the pairs the tuned generator orders as raters do, in the sets that chose its step and apart."""
    chose, apart = ordered["heldout"], ordered["report"]
    known = apart["low"] is not None
    interval = f" (95 % interval {_whole(apart['low'])} to {_whole(apart['high'])})" if known else ""
    return (
        f"The published step orders {_whole(chose['share'])} of the {chose['pairs']} pairs of the sets that chose it as the "
        f"simulated raters do, and {_whole(apart['share'])}{interval} of the {apart['pairs']} pairs of {apart['sets']} sets "
        "apart; 50 % is chance."
    )


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %"
