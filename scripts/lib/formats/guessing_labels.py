"""Which columns of somebody's table may be labels: 0 and 1, or two words of which one says that nothing was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.lib.formats.columns import plain_name
from scripts.lib.formats.labels import VALUES
from scripts.lib.formats.tables import is_missing

# Words for an answer, by what they answer, and words for a film on which nothing was found.
YES = frozenset(["yes", "y", "true", "t", "positive", "pos", "present", "+", "ja", "oui", "si", "sí", "x"])
NO = frozenset(["no", "n", "false", "f", "negative", "neg", "absent", "-", "nein", "non"])
HEALTHY = frozenset(("normal", "healthy", "control", "unremarkable", "clear", "no finding", "no findings", "nothing"))
WORDS = 50  # values up to which a column may name findings
NAMED = 4  # columns that a complaint names


@dataclass(frozen=True)
class Label:
    """A column that may be a label: its `name` in a study, its `column`, what its `words` mean, and how often it is 1.

    words     {word: 1 or 0}; empty where the column holds numbers
    positive  share of the films whose label is known that have it
    """

    name: str
    column: str
    words: Mapping[str, int]
    positive: float


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


def why_none(values: Mapping[str, Sequence[str]]) -> str:
    """Return what is said of columns {name: cells} none of which is a label: those of two words, of several, of one value."""
    two, few, one = [], [], []
    for name, cells in values.items():
        distinct = list(dict.fromkeys(cell for cell in cells if not is_missing(cell)))
        if len(distinct) == 2:
            two.append(f"{name} ({distinct[0]}, {distinct[1]})")
        elif len(distinct) == 1:
            one.append(f"{name} is {distinct[0]} on every film: one class cannot be told from nothing")
        elif len(distinct) <= WORDS and len(distinct) < len(cells) / 2 and not any(map(_is_number, distinct)):
            few.append(
                f"{name} has {len(distinct)} values ({', '.join(distinct[:3])}, ...): give each finding a column of 1 and 0"
            )
    lines = [f"which word of {' or of '.join(two[:NAMED])} is 1? Write 1 and 0 in its place"] if two else []
    return "; ".join([*lines, *few[:NAMED], *one[:NAMED]])


def _is_number(text: str) -> bool:
    return text.replace(",", ".").lstrip("-").replace(".", "", 1).isdigit()


def _words(cells: Sequence[str]) -> tuple[str, str] | None:
    """Return the word for what was found and the one for nothing, as first written; None where that is not clear."""
    spelled = {cell.casefold(): cell for cell in reversed(cells)}
    if len(spelled) != 2:
        return None
    one, two = spelled
    for ill, healthy in ((one, two), (two, one)):
        denied = healthy in NO or healthy in HEALTHY or healthy in (f"no {ill}", f"no_{ill}", f"non-{ill}")
        if denied and ill not in NO and ill not in HEALTHY:
            return spelled[ill], spelled[healthy]
    return None
