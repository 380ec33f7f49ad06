"""The line about the proxy model that filters and tunes (docs/proxy.md): can it tell the labels that it chooses images by?"""

from __future__ import annotations

from scripts.lib.reporting.page.lines import AMBER, GREEN, RED, Facts, Line, absent, line
from scripts.lib.reporting.page.tables import as_numbers
from scripts.lib.reporting.page.words import count, is_are, listed, number

TABLE = "proxy/validation.csv"
NAMED = 5  # labels that a sentence names


def proxy(facts: Facts) -> Line:
    """Green where every label that the proxy was tried on is usable, amber where some are refused, red where all are."""
    key, title = "proxy", "The model that chooses among images can tell the labels by which it chooses"
    table = facts.tables.text(TABLE)
    if table is None or table.empty:
        return absent(key, title, TABLE, "`make figure3` measures it")
    rows = as_numbers(table, facts.tables.results / TABLE, ["label", "usable"], ["auroc"])
    refused = rows[rows["usable"].str.strip().str.lower() != "true"]
    labels = count(len(rows), "label")
    if refused.empty:
        least = rows["auroc"].min()
        return line(
            key, title, GREEN, f"on real films it tells {labels} from chance; the least AUROC is {number(least)}"
        )
    named = [str(name).replace("_", " ") for name in refused["label"]]
    names = listed(named) if len(named) <= NAMED else f"{', '.join(named[:NAMED])} and others"
    reason = f"{len(refused)} of {labels} {is_are(len(refused))} not told from chance on real films and refused for filtering: {names}"
    if len(refused) == len(rows) > 1:
        which, every = ("neither", "both") if len(rows) == 2 else ("none", "all")
        reason = f"{which} of {labels} is told from chance on real films, so {every} are refused for filtering: {names}"
    return line(key, title, RED if len(refused) == len(rows) else AMBER, reason)
