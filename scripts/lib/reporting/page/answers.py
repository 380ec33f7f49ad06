"""The answer in sentences, made from comparisons: what synthetic images do at each amount of real films, with numbers.

Every sentence says what a table says and no more. Of several amounts the one with the smallest P value is quoted; being the
best of several it looks a little larger than it is, which the section on statistics says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from scripts.lib.reporting.page.comparisons import HARMS, HELPS, OPEN, SAME, UNTESTED, VERDICTS, ComparisonRow
from scripts.lib.reporting.page.names import Names
from scripts.lib.reporting.page.setting_sentences import setting_text, surest
from scripts.lib.reporting.page.words import (
    all_of,
    between,
    count,
    is_are,
    listed,
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
    against_real = [one for one in comparisons if one.arm == arm and one.against == REAL]
    answered = []
    for dataset, metric in dict.fromkeys((one.dataset, one.metric) for one in against_real):
        rows = [one for one in against_real if (one.dataset, one.metric) == (dataset, metric)]
        settings = []
        for _, part in groupby(sorted(rows, key=_place), key=lambda one: one.fraction):
            group = tuple(part)
            settings.append(SettingAnswer(group, films_of(group[0]), setting_text(group, names)))
        title, called = names.dataset(dataset), names.metric(metric)
        answered.append(Answer(dataset, title, called, short_text(rows, names), tested(rows), tuple(settings)))
    return answered


def _place(one: ComparisonRow) -> tuple[float, int]:
    return one.fraction, one.multiplier


def headline(comparisons: Sequence[ComparisonRow], arm: str, names: Names) -> str:
    """Return the answer of the whole study in one or two sentences, over all comparisons of an arm with the real films alone."""
    against_real = [one for one in comparisons if one.arm == arm and one.against == REAL]
    if not against_real:
        return "Nothing here compares synthetic with real films, so this page gives no answer."
    counts = {name: sum(one.verdict == name for one in against_real) for name in VERDICTS}
    noun = names.added(arm)
    if counts[UNTESTED] == len(against_real):
        many = "Neither of the two" if len(against_real) == 2 else f"None of the {len(against_real):,}"
        none = "The one comparison could not" if len(against_real) == 1 else f"{many} comparisons could"
        return f"{none} be tested, so this study gives no answer."
    parts = decided_parts(counts)
    total = count(len(against_real), "comparison")
    if counts[OPEN] == len(against_real):
        verb = is_are(len(against_real))
        return sentence(
            f"Whether {noun} help or harm is open: {all_of(len(against_real), 'comparison')} {verb} undecided"
        )
    rest = [
        f"{'one' if counts[name] == 1 else counts[name]} {is_are(counts[name]) if name == OPEN else ''}{what}"
        for name, what in ((OPEN, " undecided"), (UNTESTED, "could not be tested"))
        if counts[name]
    ]
    if not parts:
        return sentence(f"Whether {noun} help or harm is open: of {total}, {listed(rest)}")
    if len(against_real) == 1:
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
