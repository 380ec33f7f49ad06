"""The line about counterfactual edits (docs/class-ldm.md): does an edit change the finding, and stay the same child?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from scripts.lib.reporting.page.lines import AMBER, GREEN, RED, Facts, Line, absent, line
from scripts.lib.reporting.page.tables import ABSENT, as_numbers
from scripts.lib.reporting.page.words import percent, span

TABLES, SWEEPS = "*/edits/edits.csv", "*/edits/sweep.csv"
SHARPNESS = "as-sharp"
ANY = "any"
HALF = 0.5  # of the edits, which a judge has to follow for sure


def edits(facts: Facts) -> Line:
    """Red where sharpness alone turns the judge as often; amber where too few edits look most like their own film, the judge may
    follow fewer than half of them, or it learned from films of the same dataset.
    """
    key, title = "edits", "Edited films change the finding and stay the same child"
    states, texts = [], []
    for file in facts.tables.files([TABLES]):
        table = facts.tables.text(file)
        assert table is not None
        rows = as_numbers(
            table, facts.tables.results / file, ["method", "to", "measure"], ["value", "low", "high"]
        ).to_dict("records")
        measures = {(row["method"], row["measure"]): row for row in rows if row["to"] == ANY}
        state, text = _told(facts.config["edits"], measures)
        states.append(state)
        texts.append(f"{facts.names.dataset(PurePosixPath(file).parts[0])}: {text}")
    if not texts:
        return absent(key, title, "edits.csv", "`snakemake results/ldm_edits.pdf` measures it")
    return line(key, title, next(state for state in (RED, AMBER, GREEN) if state in states), "; ".join(texts))


def _told(settings: Mapping[str, Any], measures: Mapping[Any, Mapping[Any, Any]]) -> tuple[str, str]:
    way = settings["ways"][0]
    flips = measures.get((way, "flip_rate"))
    if flips is None or pd.isna(flips["value"]):
        return AMBER, f"of the edits by {way} the judge could say nothing; the notes of the table say why"
    text = f"in {percent(round(flips['value'], 3))} of the edits by {way}"
    if pd.notna(flips["low"]):
        text += f" (95 % interval {span(100 * flips['low'], 100 * flips['high'], 0)} %)"
    text += " a judge sees the other class"
    said = str(flips.get("note", ""))
    doubts = [] if said.lower() in ABSENT else [said]
    if not flips["low"] > HALF:
        doubts.append("it may follow fewer than half of them")
    sharp = measures.get((SHARPNESS, "flip_rate"))
    fooled = False
    if sharp is not None and pd.notna(sharp["value"]):
        text += f"; {percent(round(sharp['value'], 3))} where the film is only made as sharp as its edit"
        fooled = not flips["low"] > sharp["value"]
    same = [
        measures[way, name]["value"] for name in ("identity_pixels", "identity_features") if (way, name) in measures
    ]
    kept = min((value for value in same if pd.notna(value)), default=None)
    if kept is None:
        return RED if fooled else AMBER, f"{text}. Whether they stay the same child was not measured"
    text += f". Of the edited films {percent(round(kept, 3))} look most like their own film, among all films"
    text += "".join(f"; {doubt}" for doubt in doubts)
    return RED if fooled else GREEN if kept >= settings["identity"] and not doubts else AMBER, text
