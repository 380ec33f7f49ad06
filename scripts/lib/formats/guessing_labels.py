"""Which columns of somebody's table may be labels: 0 and 1, two words of which one says that nothing was found, or a list of findings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.lib.formats.columns import plain_name
from scripts.lib.formats.labels import VALUES, sex_of
from scripts.lib.formats.listed_findings import findings_in
from scripts.lib.formats.tables import is_missing

# Words for an answer, by what they answer, and words for a film on which nothing was found.
YES = frozenset(["yes", "y", "true", "t", "positive", "pos", "present", "+", "ja", "oui", "si", "sí", "x"])
NO = frozenset(["no", "n", "false", "f", "negative", "neg", "absent", "-", "nein", "non"])
HEALTHY = frozenset(("normal", "healthy", "control", "unremarkable", "clear", "no finding", "no findings", "nothing"))
SEPARATORS = ("|", ";", ",")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b.*")
WORDS = 50  # values up to which a column may name findings
GRADES = 6  # whole numbers up to which a column may hold grades
NAMED = 4  # columns that a complaint names


@dataclass(frozen=True)
class Label:
    """A column that may be a label: its `name` in a study, its `column`, what its `words` mean, and how often it is 1.

    words      {word: 1 or 0}; empty where the column holds numbers
    positive   share of the films whose label is known that have it
    separator  what stands between the findings of a column that lists several; "" for any other column
    """

    name: str
    column: str
    words: Mapping[str, int]
    positive: float
    separator: str = ""


def label_of(column: str, cells: Sequence[str]) -> Label | None:
    """Return what a column is as a label, None where it is none: 0 and 1 (beside them -1 and nothing), or two words."""
    present = [cell for cell in cells if not is_missing(cell)]
    if not present:
        return None
    known = {VALUES.get(cell) for cell in present}
    if None not in known and {0, 1} <= known:
        numbers = [value for value in map(VALUES.get, present) if value in (0, 1)]
        return Label(plain_name(column) or column, column, {}, sum(numbers) / len(numbers))
    if (words := _words(present)) is None:
        return None
    ill, healthy = words
    said = ill.casefold() in YES or ill.casefold() == plain_name(column)
    name = (plain_name(column) if said else plain_name(ill)) or column
    share = sum(cell.casefold() == ill.casefold() for cell in present) / len(present)
    return Label(name, column, {ill: 1, healthy: 0}, share)


def labels_among(values: Mapping[str, Sequence[str]]) -> list[Label]:
    """Return the labels among columns {name: cells}, in their order; two of one name are called as their columns are."""
    labels = [label for name, cells in values.items() if (label := label_of(name, cells)) is not None]
    names = [label.name for label in labels]
    return [
        Label(plain_name(label.column) or label.column, label.column, label.words, label.positive)
        if names.count(label.name) > 1
        else label
        for label in labels
    ]


def listed_labels(column: str, cells: Sequence[str]) -> list[Label]:
    """Return the findings that a column lists, the commonest first; [] where it does not seem to list any.

    Several findings stand in some cells, or the column names one of at least three, of which one says that nothing was found.
    A finding is one that some films have and others do not; words for nothing are none.
    """
    present = [cell for cell in cells if not is_missing(cell)]
    if not present or any(_is_number(cell) or DATE.fullmatch(cell) for cell in present):
        return []
    separator = next((sign for sign in SEPARATORS if _lists(present, sign)), "")
    met = Counter(name for cell in present for name in findings_in(cell, separator or SEPARATORS[0]))
    healthy = {plain_name(word) for word in (*HEALTHY, *NO)} & set(met)
    names = [name for name, count in met.most_common() if name not in healthy and count < len(present)]
    if len(met) > WORDS or len(names) < 2 or not (separator or healthy):
        return []
    return [Label(name, column, {}, met[name] / len(present), separator or SEPARATORS[0]) for name in names]


def _lists(cells: Sequence[str], separator: str) -> bool:
    """Whether some cells hold several findings apart by this sign, and each of most of these stands in other cells, too."""
    parts = [findings_in(cell, separator) for cell in cells if separator in cell]
    met = Counter(name for cell in cells for name in findings_in(cell, separator))
    again = [met[name] > 1 for names in parts for name in names]
    return any(len(names) > 1 for names in parts) and sum(again) >= 0.5 * len(again)


def why_none(values: Mapping[str, Sequence[str]]) -> str:
    """Return what is said of columns {name: cells} none of which is a label: those of two words, of several, of one value."""
    two, few, grades, one = [], [], [], []
    for name, cells in values.items():
        distinct = list(dict.fromkeys(cell for cell in cells if not is_missing(cell)))
        if all(map(DATE.fullmatch, distinct)):
            continue
        if len(distinct) == 2:
            two.append(f"{name} ({distinct[0]}, {distinct[1]})")
        elif len(distinct) == 1:
            one.append(f"{name} is {distinct[0]} on every film: one class cannot be told from nothing")
        elif len(distinct) > WORDS or len(distinct) >= len(cells) / 2:
            continue
        elif not any(map(_is_number, distinct)):
            few.append(
                f"{name} has {len(distinct)} values ({', '.join(distinct[:3])}, ...): give each finding a column of 1 and 0"
            )
        elif all(cell.isdigit() for cell in distinct) and len(distinct) <= GRADES:
            grades.append(f"from which grade of {name} ({', '.join(sorted(distinct, key=int))}) on is it 1?")
    lines = [f"which word of {' or of '.join(two[:NAMED])} is 1? Write 1 and 0 in its place"] if two else []
    lines += [f"{' '.join(grades[:NAMED])} Write 1 and 0 in its place"] if grades else []
    return "; ".join([*lines, *few[:NAMED], *one[:NAMED]])


def _is_number(text: str) -> bool:
    return text.replace(",", ".").lstrip("-").replace(".", "", 1).isdigit()


def _words(cells: Sequence[str]) -> tuple[str, str] | None:
    """Return the word for what was found and the one for nothing, as first written; None where that is not clear."""
    spelled = {cell.casefold(): cell for cell in reversed(cells)}
    if len(spelled) != 2 or all(map(sex_of, spelled)):
        return None
    one, two = spelled
    for ill, healthy in ((one, two), (two, one)):
        denied = healthy in NO or healthy in HEALTHY or healthy in (f"no {ill}", f"no_{ill}", f"non-{ill}")
        if denied and ill not in NO and ill not in HEALTHY:
            return spelled[ill], spelled[healthy]
    return None
