"""The line about models that learned from images alone (docs/class-ldm.md): do they find anything on real films?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scripts.lib.evidence.transfer import NUMBERS
from scripts.lib.reporting.page.lines import AMBER, GREEN, RED, Facts, Line, absent, line
from scripts.lib.reporting.page.words import listed, number, percent, span
from scripts.lib.study.arms import REAL
from scripts.lib.study.transfer import ADDED, OWN

TABLE = "tables/transfer.csv"


def transfer(facts: Facts) -> Line:
    """Red where models of images alone are no better than one answer for all films, amber where their interval reaches that."""
    key, title = "transfer", "What images teach holds on real films"
    table = facts.tables.get("transfer", ["dataset", "task", "metric", "arm", "trained_on", "tested_on"], NUMBERS)
    if table is None:
        return absent(
            key,
            title,
            TABLE,
            "`trials.external` or `trials.images` names what models are tested on beside their own films",
        )
    states, texts = [], []
    for _, part in table.groupby(["dataset", "fraction"], sort=False):
        metric = facts.config["figures"]["metrics"][part["task"].iloc[0]]
        rows = part[(part["metric"] == metric) & (part["tested_on"] == OWN) & part["mean"].notna()]
        real = rows[rows["arm"] == REAL]
        for row in rows[rows["trained_on"] == ADDED["generator"]].to_dict("records"):
            states.append(_state(row["mean"], row["low"], row["baseline"]))
            texts.append(_told(facts, row, float(real["mean"].iloc[0]) if len(real) else None))
    if not texts:
        tested = listed([name for name in dict.fromkeys(table["tested_on"]) if name != OWN])
        return line(
            key,
            title,
            AMBER,
            f"no arm learned from images alone (mixing.kind: alone). Models were also tested on: {tested}",
        )
    return line(key, title, next(state for state in (RED, AMBER, GREEN) if state in states), "; ".join(texts))


def _state(mean: float, low: float, trivial: float) -> str:
    if pd.isna(trivial):
        return AMBER
    return RED if mean <= trivial else GREEN if low > trivial else AMBER


def _told(facts: Facts, row: Mapping[Any, Any], real: float | None) -> str:
    interval = f" (95 % interval {span(row['low'], row['high'])})" if pd.notna(row["low"]) else ""
    text = f"{facts.names.dataset(row['dataset'])} at {percent(row['fraction'])}: models of images alone (arm {row['arm']}) have "
    text += f"{facts.names.metric(row['metric'])} {number(row['mean'])}{interval} on the dataset's own test films"
    others = [f"{number(real)} of real films alone"] if real is not None else []
    others += [f"{number(row['baseline'])} of one answer for all"] if pd.notna(row["baseline"]) else []
    return f"{text}, beside {listed(others)}" if others else text
