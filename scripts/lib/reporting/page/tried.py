"""What a study tried of its class-conditional model (docs/class-ldm.md): guidance and steps, and the search among settings."""

from __future__ import annotations

import math

from scripts.lib.core.json_files import read_json
from scripts.lib.reporting.page.tables import Tables, as_numbers
from scripts.lib.reporting.page.words import count, number, sentence, span

SWEEP, HISTORY, BEST, IMPORTANCE = (
    "generators/sweep.csv",
    "search/history.csv",
    "search/best.json",
    "search/importance.csv",
)
FILES = (SWEEP, HISTORY, IMPORTANCE)
PICTURES = ("sweep.png", "search/search.png")


def tried(tables: Tables) -> list[str]:
    """Return the sentences on the sweep and on the search, none where the study has neither."""
    return [text for text in (_swept(tables), _searched(tables)) if text]


def _swept(tables: Tables) -> str:
    table = tables.text(SWEEP)
    if table is None:
        return ""
    rows = as_numbers(
        table, tables.results / SWEEP, ["measure"], ["guidance", "steps", "value", "low", "high", "floor"]
    )
    rows = rows[(rows["measure"] == "kid") & rows["value"].notna()]
    if rows.empty:
        return "Guidance and solver steps were tried, but no KID could be measured; the notes of the table say why."
    best = rows.iloc[int(rows["value"].argmin())].to_dict()
    settings = count(len(rows.drop_duplicates(["guidance", "steps"])), "pair")
    text = f"Of {settings} of guidance and solver steps, images lie nearest to real films with guidance {best['guidance']:g} and "
    text += f"{best['steps']:g} steps: KID {number(best['value'], 3)}"
    if math.isfinite(best["low"] + best["high"]):
        text += f" (95 % interval {span(best['low'], best['high'], 3)})"
    if math.isfinite(best["floor"]):
        text += f"; between real films it is {number(best['floor'], 3)}"
    return sentence(text)


def _searched(tables: Tables) -> str:
    table, place = tables.text(HISTORY), tables.results / BEST
    if table is None or not place.is_file():
        return ""
    best = read_json(place, "the best proposal of a search")
    failed = int((table["state"] == "fail").sum())
    text = f"The search tried {count(len(table), 'setting')}{f', of which {failed} did not stay finite' if failed else ''}. "
    default = best["default"]
    gain = f"; the settings of the configuration have {number(default, 3)}" if isinstance(default, float) else ""
    text += f"The best, number {best['number']}, has a KID to validation films of {number(best['score'], 3)}{gain}"
    return sentence(text + ". Test films had no part in it, and the best of several looks a little better than it is")
