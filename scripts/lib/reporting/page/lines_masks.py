"""The lines about masks that a model made of words (docs/masks.md): do they show what was asked for, and what are they worth?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import pandas as pd

from scripts.lib.reporting.page.lines import AMBER, GREEN, GREY, RED, Facts, Line, absent, line
from scripts.lib.reporting.page.shown import files_of
from scripts.lib.reporting.page.tables import as_numbers
from scripts.lib.reporting.page.words import number, percent

TABLES = "*/masks/*/*/masks.csv"
SHUFFLED = "shuffled"
DIFFERENCES = "tables/differences.csv"
EASY = 0.9  # AUROC from which on a classifier of shapes tells made from real masks nearly always


def masks(facts: Facts) -> Line:
    """Red where a finding is shown no more often when it was asked for; amber where masks are easily told from real ones."""
    key, title = "masks", "Made masks show the findings that were asked for, and no others"
    found = list(_tables(facts))
    if not found:
        return absent(key, title, "masks.csv", "`make masks` measures it")
    states, texts = [], []
    for where, table in found:
        state, text = _told(table)
        states.append(state)
        texts.append(f"{where}: {text}")
    worst = next(state for state in (RED, AMBER, GREY, GREEN) if state in states)
    return line(key, title, AMBER if worst == GREY else worst, "; ".join(texts))


def worth(facts: Facts) -> Line:
    """Green where images of generated masks teach more than those of masks at random in every cell, red where less in one."""
    key, title = "words", "Images of generated masks teach more than images of masks at random"
    arms = facts.config["arms"]
    kinds = {name: own.get("masks") for name, own in arms.items() if "filter" not in own}
    table = facts.tables.text(DIFFERENCES)
    if table is None:
        return absent(key, title, DIFFERENCES, "`make figure5` measures it")
    wanted = facts.config["figures"]["metrics"]
    shown = [
        (kinds.get(row["arm"]), kinds.get(row["against"])) == ("generated", SHUFFLED)
        and row["metric"] == wanted.get(row["task"])
        for row in table.to_dict("records")
    ]
    here = table[shown]
    if here.empty:
        return line(
            key, title, GREY, "this study holds no arm of generated masks against one of shuffled masks (docs/masks.md)"
        )
    about = ["dataset", "metric", "fraction", "multiplier"]
    rows = as_numbers(here, facts.tables.results / DIFFERENCES, about, ["difference", "low", "high"])
    texts = [
        f"{facts.names.dataset(row['dataset'])} at {percent(float(row['fraction']))}, {row['multiplier']}×: {row['difference']:+.3f} "
        f"({row['low']:+.3f} to {row['high']:+.3f})"
        for row in rows.to_dict("records")
    ]
    state = RED if (rows["high"] < 0).any() else GREEN if (rows["low"] > 0).all() else AMBER
    return line(key, title, state, f"difference of the scores, with its 95 % interval: {'; '.join(texts)}")


def _tables(facts: Facts) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (which masks, their table); shuffled real masks were asked for nothing."""
    results = facts.tables.results
    for file in files_of(results, [TABLES]):
        dataset, _, arm, *_ = PurePosixPath(file).parts
        if facts.config["arms"].get(arm, {}).get("masks") == SHUFFLED or arm == SHUFFLED:
            continue
        table = facts.tables.text(file)
        assert table is not None
        numbers = ["value", "low", "high", "floor"]
        share = percent(float(PurePosixPath(file).parts[3].removeprefix("fraction-")))
        yield (
            f"arm {arm} for {facts.names.dataset(dataset)} at {share}",
            as_numbers(table, results / file, ["measure", "of"], numbers),
        )


def _told(table: pd.DataFrame) -> tuple[str, str]:
    rows = {row["measure"]: row for row in table[table["of"] == "all"].to_dict("records")}
    asked, other = rows.get("shown_if_asked"), rows.get("shown_if_not_asked")
    if asked is None or other is None or pd.isna(asked["value"]) or pd.isna(other["value"]):
        return GREY, "what they show could not be measured; the notes of the table say why"
    text = f"a finding is there in {percent(round(asked['value'], 3))} of the masks that were asked for it, and in "
    text += f"{percent(round(other['value'], 3))} of the others"
    told = rows.get("two_sample_auroc")
    easy = told is not None and told["value"] >= EASY
    if told is not None and pd.notna(told["value"]):
        text += f"; by their shapes made and real masks are told apart with an AUROC of {number(told['value'])} (0.50 is not at all)"
    if not asked["low"] > other["high"]:
        return RED, text
    return (AMBER if easy else GREEN), text
