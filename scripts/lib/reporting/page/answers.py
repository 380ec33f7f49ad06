"""The answer in sentences, made from comparisons: what synthetic images do at each amount of real films, with numbers.

Every sentence says what a table says and no more. Of several amounts the one with the smallest P value is quoted; being the
best of several it looks a little larger than it is, which the section on statistics says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from scripts.lib.reporting.page.comparisons import HARMS, HELPS, OPEN, SAME, UNTESTED, VERDICTS, ComparisonRow
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.words import (
    between,
    count,
    is_are,
    listed,
    number,
    p_value,
    percent,
    sentence,
    signed,
    span,
)
from scripts.lib.study.arms import REAL

DECIDED = {HELPS: "helped in", HARMS: "harmed in", SAME: "made no difference that matters in"}


@dataclass(frozen=True)
class SettingAnswer:
    """The answer for one dataset, metric, fraction and arm: its comparisons by multiplier, and its sentences."""

    comparisons: tuple[ComparisonRow, ...]
    films: str
    text: str

    @property
    def fraction(self) -> float:
        """Share of the real training films, 0 to 1."""
        return self.comparisons[0].fraction


@dataclass(frozen=True)
class Answer:
    """The answers for one dataset and metric: `short` in brief, `tested` says on what, `settings` by fraction."""

    dataset: str
    title: str
    metric: str
    short: str
    tested: str
    settings: tuple[SettingAnswer, ...]


def answers(comparisons: Sequence[ComparisonRow], arm: str, names: Names) -> list[Answer]:
    """Return the answers of an arm against the real films alone, one a dataset and metric, in the order of the comparisons."""
    own = [one for one in comparisons if one.arm == arm and one.against == REAL]
    found = []
    for dataset, metric in dict.fromkeys((one.dataset, one.metric) for one in own):
        rows = [one for one in own if (one.dataset, one.metric) == (dataset, metric)]
        settings = []
        for _, part in groupby(sorted(rows, key=_place), key=lambda one: one.fraction):
            group = tuple(part)
            settings.append(SettingAnswer(group, films_of(group[0]), setting_text(group, names)))
        title, called = names.dataset(dataset), names.metric(metric)
        found.append(Answer(dataset, title, called, short_text(rows, names), tested(rows), tuple(settings)))
    return found


def _place(one: ComparisonRow) -> tuple[float, int]:
    return one.fraction, one.multiplier


def headline(comparisons: Sequence[ComparisonRow], arm: str, names: Names) -> str:
    """Return the answer of the whole study in one or two sentences, over all comparisons of an arm with the real films alone."""
    own = [one for one in comparisons if one.arm == arm and one.against == REAL]
    if not own:
        return "This study has no comparison of synthetic with real films, so it gives no answer."
    counts = {name: sum(one.verdict == name for one in own) for name in VERDICTS}
    noun = names.added(arm)
    if counts[UNTESTED] == len(own):
        none = "The one comparison could not" if len(own) == 1 else f"None of the {len(own)} comparisons could"
        return f"{none} be tested, so this study gives no answer."
    parts = decided_parts(counts)
    total = count(len(own), "comparison")
    if counts[OPEN] == len(own):
        none = "its one comparison is" if len(own) == 1 else f"all {total} are"
        return sentence(f"Whether {noun} help or harm is open: {none} undecided")
    rest = [
        f"{'one' if counts[name] == 1 else counts[name]} {is_are(counts[name]) if name == OPEN else ''}{what}"
        for name, what in ((OPEN, " undecided"), (UNTESTED, "could not be tested"))
        if counts[name]
    ]
    if not parts:
        return sentence(f"Whether {noun} help or harm is open: of {total}, {listed(rest)}")
    if len(own) == 1:
        return sentence(f"{noun} {parts[0].removesuffix(' 1')} the one comparison with real films alone")
    first = sentence(f"{noun} {listed(parts)} of {total} with real films alone")
    return (
        f"{first} {sentence(('of the others, ' if len(rest) > 1 else 'the other ') + listed(rest))}" if rest else first
    )


def decided_parts(counts: Mapping[str, int]) -> list[str]:
    """Return "helped in 3", "harmed in 2" and "made no difference that matters in 1", those that there are."""
    return [f"{words} {counts[name]}" for name, words in DECIDED.items() if counts[name]]


def short_text(rows: Sequence[ComparisonRow], names: Names) -> str:
    """Return what the comparisons of one dataset and metric came to, with the surest gain and the surest loss."""
    counts = {name: sum(one.verdict == name for one in rows) for name in VERDICTS}
    noun, total = names.added(rows[0].arm), count(len(rows), "comparison")
    parts = decided_parts(counts)
    words = {OPEN: "undecided", UNTESTED: "not testable"}
    rest = [f"{counts[name]} {word}" for name, word in words.items() if counts[name]]
    if len(rows) == 1:
        only = rows[0].verdict
        said = f"{noun} {DECIDED[only]} the one comparison" if parts else f"the one comparison is {words[only]}"
    elif parts:
        said = f"{noun} {listed(parts)} of {total}" + (f"; {listed(rest)}" if rest else "")
    else:
        said = f"none of {total} shows help or harm"
    texts = [sentence(said)]
    for name, word in ((HELPS, "gain"), (HARMS, "loss")):
        if group := [one for one in rows if one.verdict == name]:
            best = surest(group)
            which = f"The {'surest ' if len(group) > 1 else ''}{word}"
            texts.append(
                f"{which}: {signed(best.difference)} {names.metric(best.metric)} (95 % interval {span(best.low, best.high)}) with "
                f"{films_of(best)} and {count(best.multiplier, 'image')} per film."
            )
    return " ".join(texts)


def surest(rows: Sequence[ComparisonRow]) -> ComparisonRow:
    """Return the comparison with the smallest P value, of equal ones that with the largest difference."""
    return min(rows, key=lambda one: (one.p, -abs(one.difference)))


def films_of(one: ComparisonRow) -> str:
    """Return how many real films a setting learns from: "3 to 4 films (1 %)"."""
    low, high = one.n_real
    share = f"{percent(one.fraction)} of the real films"
    return f"{between(low, high, 'film')} ({percent(one.fraction)})" if math.isfinite(low) else share


def tested(rows: Sequence[ComparisonRow]) -> str:
    """Return on what the comparisons of a dataset rest: "2 trials, tested on 378 films of 260 patients"."""
    trials = sorted({one.n_trials for one in rows})
    said = count(trials[-1], "trial") if len(trials) == 1 else f"{trials[0]} to {count(trials[-1], 'trial')}"
    most = max(rows, key=lambda one: one.n_films)
    return f"{said}, tested on {count(most.n_films, 'film')} of {count(most.n_patients, 'patient')}"


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
    own = sum(one.n_real) / 2
    if bound == ">=":
        return f", at least as much as real films alone reach with all {count(round(films), 'film')}"
    more = round(films - own)
    if bound or more < 1:
        return ""
    interval = ""
    if math.isfinite(low + high):
        ends = ("none" if low_bound or low <= own else f"{low - own:,.0f}", f"{high - own:,.0f}")
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
    where = f"{signed(largest.difference)} (95 % interval {span(largest.low, largest.high)})"
    helps = "helps or harms" if [one.multiplier for one in rows] == [1] else "help or harm"
    text = f"whether {_amounts(rows, noun)} {helps} cannot be told: "
    most = "" if len(rows) == 1 else f" most with {largest.multiplier} per film,"
    text += f"{metric} changes{most} by {where}"
    # What the interval leaves open would not have been found either: with two trials it is wider than the design's estimate.
    found = max(largest.detectable, (largest.high - largest.low) / 2)
    if found >= 1:
        text += ". Trials and test films differ so much that no difference, however large, could have been found"
    elif found > abs(largest.difference):
        text += f". A difference of {number(found)} or more would have been found"
    return text


def _untested(rows: Sequence[ComparisonRow], noun: str, metric: str) -> str:
    why = next((one.note for one in rows if one.note), "")
    many = [one.multiplier for one in rows]
    verb = is_are(1 if many == [1] else 2)
    return f"{_amounts(rows, noun)} {verb} not tested in {metric}" + (f": {why}" if why else "")


TELL: Mapping[str, Any] = {HELPS: _helps, HARMS: _decided, SAME: _same, OPEN: _open, UNTESTED: _untested}
