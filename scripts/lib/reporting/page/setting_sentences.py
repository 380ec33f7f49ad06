"""The sentences of one setting: what each of its amounts of images came to, with the numbers of the one that says most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.reporting.page.comparisons import HARMS, HELPS, OPEN, SAME, UNTESTED, VERDICTS, ComparisonRow
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.words import count, is_are, listed, number, p_value, sentence, signed, span


def surest(rows: Sequence[ComparisonRow]) -> ComparisonRow:
    """Return the comparison with the smallest P value, of equal ones that with the largest difference."""
    return min(rows, key=lambda one: (one.p, -abs(one.difference)))


def setting_text(group: Sequence[ComparisonRow], names: Names) -> str:
    """Return the sentences of one setting: what is decided with its surest amount, then the amounts that are not."""
    noun = names.added(group[0].arm)
    texts = []
    for name in VERDICTS:
        rows = [one for one in group if one.verdict == name]
        if rows:
            texts.append(sentence(TELL[name](rows, noun, names.metric(rows[0].metric))))
    return " ".join(texts)


def _amounts(rows: Sequence[ComparisonRow], noun: str) -> str:
    """Return "2 and 5 synthetic images per film", or "1 synthetic image per film"."""
    many = [one.multiplier for one in rows]
    return f"{listed(many)} {noun[:-1] if many == [1] else noun} per film"


def _decided(rows: Sequence[ComparisonRow], noun: str, metric: str) -> str:
    """Return the sentence of amounts that help or harm, with the numbers of the surest of them."""
    best = surest(rows)
    up = best.difference > 0
    size, low, high = (abs(best.difference), *sorted((abs(best.low), abs(best.high))))
    one = [one.multiplier for one in rows] == [1]
    verb = ("raises" if up else "lowers") if one else ("raise" if up else "lower")
    digits = _digits(best)
    numbers = f"{number(size, digits)} (95 % interval {span(low, high, digits)}; corrected {p_value(best.p)})"
    change = ""
    if math.isfinite(best.before + best.after):
        change = f", from {number(best.before, digits)} to {number(best.after, digits)}"
    which = f"{verb} {metric} by {numbers}{change}"
    if len(rows) > 1:
        which = f"{verb} {metric}, most surely {best.multiplier} per film: by {numbers}{change}"
    return f"{_amounts(rows, noun)} {which}"


def _digits(one: ComparisonRow) -> int:
    """Return 2, or 3 where the rounded means would not give the rounded difference."""
    if not math.isfinite(one.before + one.after):
        return 2
    return 2 if abs(round(one.after, 2) - round(one.before, 2) - round(one.difference, 2)) < 0.005 else 3


def _helps(rows: Sequence[ComparisonRow], noun: str, metric: str) -> str:
    return _decided(rows, noun, metric) + worth_text(surest(rows))


def worth_text(one: ComparisonRow) -> str:
    """Return ", as much as about 38 more real films (95 % interval 21 to 305)" for a cell of equivalence.csv, "" without one."""
    if one.worth is None or not math.isfinite(one.n_real[0]):
        return ""
    films, low, high, bound, low_bound, high_bound = one.worth
    real_films = sum(one.n_real) / 2
    if bound == ">=":
        return f", at least as much as real films alone reach with all {count(round(films), 'film')}"
    more = round(films - real_films)
    if bound or more < 1:
        return ""
    interval = ""
    if math.isfinite(low + high):
        ends = ("none" if low_bound or low <= real_films else f"{low - real_films:,.0f}", f"{high - real_films:,.0f}")
        interval = f" (95 % interval {ends[0]} to {ends[1]}{' or more' if high_bound else ''})"
    return f", as much as about {count(more, 'more real film', 'more real films')}{interval}"


def _same(rows: Sequence[ComparisonRow], noun: str, metric: str) -> str:
    widest = max(rows, key=lambda one: max(abs(one.low), abs(one.high)))
    verb = "makes" if [one.multiplier for one in rows] == [1] else "make"
    where = f"{number(widest.difference)} (95 % interval {span(widest.low, widest.high)})"
    at = f", at most {where} with {widest.multiplier} per film" if len(rows) > 1 else f": {where}"
    return f"{_amounts(rows, noun)} {verb} no difference in {metric} that matters{at}"


def _open(rows: Sequence[ComparisonRow], noun: str, metric: str) -> str:
    """Return the sentence of amounts of which nothing can be said, with the largest difference and what could be found."""
    largest = max(rows, key=lambda one: abs(one.difference))
    # An interval of one comparison may leave out 0 where the correction for all of them lets nothing be said.
    corrected = "" if largest.low <= 0 <= largest.high else f"; corrected {p_value(largest.p)}"
    where = f"{signed(largest.difference)} (95 % interval {span(largest.low, largest.high)}{corrected})"
    helps = "helps or harms" if [one.multiplier for one in rows] == [1] else "help or harm"
    text = f"whether {_amounts(rows, noun)} {helps} cannot be told: "
    most = "" if len(rows) == 1 else f" most with {largest.multiplier} per film,"
    text += f"{metric} changes{most} by {where}"
    # What the interval leaves open would not have been found either: with two trials it is wider than the design's estimate.
    least = max(largest.detectable, (largest.high - largest.low) / 2)
    if least >= 1:
        text += ". Trials and test films differ so much that no difference, however large, could have been found"
    elif least > abs(largest.difference):
        text += f". A difference of {number(least)} or more would most likely have been found"
    return text


def _untested(rows: Sequence[ComparisonRow], noun: str, metric: str) -> str:
    why = next((one.note for one in rows if one.note), "")
    many = [one.multiplier for one in rows]
    verb = is_are(1 if many == [1] else 2)
    return f"{_amounts(rows, noun)} {verb} not tested in {metric}" + (f": {why}" if why else "")


TELL: Mapping[str, Any] = {HELPS: _helps, HARMS: _decided, SAME: _same, OPEN: _open, UNTESTED: _untested}
