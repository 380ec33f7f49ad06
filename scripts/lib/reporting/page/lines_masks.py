"""The lines about masks that a model made of words (docs/masks.md): do they show what was asked for, and what are they worth?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import pandas as pd

from scripts.lib.reporting.page.lines import AMBER, GREEN, GREY, RED, Facts, Line, absent, line
from scripts.lib.reporting.page.lines_images import percent_range
from scripts.lib.reporting.page.tables import as_numbers
from scripts.lib.reporting.page.words import count, listed, number, percent, signed, span

TABLES = "*/masks/*/*/masks.csv"
SHUFFLED = "shuffled"
DIFFERENCES = "tables/differences.csv"
NAMED = 2  # sets of masks that a sentence names
Numbers = tuple[float, float, float]
EASY = 0.9  # AUROC from which on a classifier of shapes tells made from real masks nearly always


def masks(facts: Facts) -> Line:
    """Red where a finding is shown no more often when it was asked for; amber where masks are easily told from real ones."""
    key, title = "masks", "Made masks show the findings that were asked for, and no others"
    tables = list(_tables(facts))
    if not tables:
        return absent(key, title, "masks.csv", "`make masks` measures it")
    verdicts = [(where, *_told(table)) for where, table in tables]
    states = [state for state in (RED, AMBER, GREY, GREEN) if any(one[1] == state for one in verdicts)]
    texts = [_together([one for one in verdicts if one[1] == state]) for state in states]
    return line(key, title, AMBER if states[0] == GREY else states[0], "; ".join(texts))


def worth(facts: Facts) -> Line:
    """Green where images of generated masks teach more than those of masks at random in every cell, red where less in one."""
    key, title = "words", "Images of generated masks teach more than images of masks at random"
    arms = facts.config["arms"]
    kinds = {name: given.get("masks") for name, given in arms.items() if "filter" not in given}
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
        f"{facts.names.dataset(row['dataset'])} at {percent(float(row['fraction']))}, {row['multiplier']} per film: "
        f"{signed(row['difference'])} ({span(row['low'], row['high'])})"
        for row in rows.to_dict("records")
    ]
    state = RED if (rows["high"] < 0).any() else GREEN if (rows["low"] > 0).all() else AMBER
    return line(key, title, state, f"difference of the scores, with its 95 % interval: {'; '.join(texts)}")


def _tables(facts: Facts) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (which masks, their table); shuffled real masks were asked for nothing."""
    results = facts.tables.results
    for file in facts.tables.files([TABLES]):
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


def _told(table: pd.DataFrame) -> tuple[str, Numbers]:
    """Return the state of a set of masks, and (shown if asked for, shown if not, AUROC of shapes), NaN where not measured."""
    rows = {row["measure"]: row for row in table[table["of"] == "all"].to_dict("records")}
    asked, other = rows.get("shown_if_asked"), rows.get("shown_if_not_asked")
    if asked is None or other is None or pd.isna(asked["value"]) or pd.isna(other["value"]):
        return GREY, (math.nan, math.nan, math.nan)
    auroc = float(rows["two_sample_auroc"]["value"]) if "two_sample_auroc" in rows else math.nan
    state = RED if not asked["low"] > other["high"] else AMBER if auroc >= EASY else GREEN
    return state, (asked["value"], other["value"], auroc)


def _together(verdicts: Sequence[tuple[str, str, Numbers]]) -> str:
    """Return the sentence of sets of masks of one state, with the range of each number."""
    where = (
        listed([one[0] for one in verdicts])
        if len(verdicts) <= NAMED
        else f"each of {count(len(verdicts), 'set')} of masks"
    )
    if verdicts[0][1] == GREY:
        return f"{where}: what they show could not be measured; the notes of the table say why"
    asked, other, auroc = (pd.Series(values) for values in zip(*(one[2] for one in verdicts)))
    text = f"{where}: a finding is there in {percent_range(asked)} of the masks that were asked for it, and in "
    text += f"{percent_range(other)} of the others"
    if known := sorted({number(value) for value in auroc.dropna()}):
        ends = known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}"
        text += f"; by their shapes made and real masks are told apart with an AUROC of {ends} (0.50 is not at all)"
    return text
