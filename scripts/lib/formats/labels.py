"""Labels and demographics as the tables write them, turned into 0, 1 or None, years, and M or F."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.columns import find_column, plain_name
from scripts.lib.formats.record import Notes, Record
from scripts.lib.formats.tables import Row, Table, is_missing

# MGCA's mixed policy for CheXpert's uncertain labels; labels it does not name count as negative when uncertain.
MGCA_UNCERTAIN = {"atelectasis": 1, "cardiomegaly": 0, "consolidation": 0, "edema": 1, "pleural_effusion": 1}
VALUES = {"0": 0, "0.0": 0, "1": 1, "1.0": 1, "-1": -1, "-1.0": -1}
NO_AGE = "ages that are no years from 0 to 120, left empty"
NO_SEX = "sexes that are neither M nor F, left empty"


def label_value(text: str, where: str, words: Mapping[str, int] | None = None) -> int | None:
    """Return -1, 0, 1 or None for a label cell; raises InputError for any other text.

    words  what words of this table stand for, without regard to case (reader.label_words); None where none can be named
    """
    if text in VALUES:
        return VALUES[text]
    known = {word.strip().casefold(): value for word, value in (words or {}).items()}
    if text.casefold() in known:
        return known[text.casefold()]
    if is_missing(text):
        return None
    expected = f"1, 0, -1 (uncertain) or nothing{''.join(f', {word!r}' for word in words or {})}"
    todo = "" if words is None else f'; say what it means: reader.label_words: {{"{text}": 1}}, or 0'
    raise InputError(f"{where}: label {text!r}; expected {expected}{todo}")


def decide(value: int | None, label: str, uncertainty: str, blank: str) -> int | None:
    """Return 0, 1 or None: what an uncertain (-1) or blank (None) label counts as under the policy."""
    if value is None:
        return 0 if blank == "zero" else None
    if value != -1:
        return value
    return {"zeros": 0, "ones": 1, "ignore": None, "mgca": MGCA_UNCERTAIN.get(label, 0)}[uncertainty]


def label_columns(table: Table, labels: Sequence[str], renamed: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return {label: column of the table}; raises InputError when a label asked for is no column, or could be two.

    renamed  columns of labels that are called otherwise
    """
    columns = {label: find_column(table, (renamed or {}).get(label, label)) for label in labels}
    for label, column in columns.items():
        if column is None:
            near = get_close_matches(label, {plain_name(column): column for column in table.columns}, n=1)
            raise InputError(
                f"{table.path}: no column for label {label!r}{f', did you mean {near[0]!r}?' if near else ''}; the table has "
                f"{', '.join(table.columns)[:400]}"
            )
    return {label: str(column) for label, column in columns.items()}


def row_labels(row: Row, columns: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the labels of one row under the reader's `uncertainty` and `blank` policies."""
    return {
        label: decide(
            label_value(row[column], f"{row.where} column {column}", settings.get("label_words")),
            label,
            settings["uncertainty"],
            settings["blank"],
        )
        for label, column in columns.items()
    }


def sex_of(text: str) -> str:
    """Return "M", "F" or "" for what tables and headers write."""
    words = {"m": "M", "male": "M", "männlich": "M", "f": "F", "female": "F", "w": "F", "weiblich": "F"}
    return words.get(text.strip().lower(), "")


def age_of(text: str) -> float | None:
    """Return years from "45", "45.0", "4,5" or a DICOM age such as "045Y" or "018M"; None when it says neither."""
    match = re.fullmatch(r"\s*(\d{1,3}(?:[.,]\d+)?)\s*([YMWD]?)\s*", text.upper())
    if not match:
        return None
    years = float(match[1].replace(",", ".")) / {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.25}[match[2]]
    return years if years <= 120 else None


def view_of(text: str) -> str:
    """Return a view as DICOM writes it, upper case; "" when unknown."""
    text = text.strip().upper()
    return "" if is_missing(text) else text


def note_person(notes: Notes, age: str, sex: str) -> None:
    """Note an age or a sex that is there and is none: it is left empty, which nobody would see."""
    if not is_missing(age) and age_of(age) is None:
        notes.add(NO_AGE, age)
    if not is_missing(sex) and not sex_of(sex):
        notes.add(NO_SEX, sex)


def set_person(record: Record, age: str, sex: str) -> None:
    """Give a record the age and the sex that a table says, and note what cannot be one."""
    record.age, record.sex = age_of(age), sex_of(sex)
    if record.age is None or not record.sex:
        note_person(record.notes, age, sex)


def check_labels(format: str, labels: Sequence[str], available: Sequence[str]) -> None:
    """Raise InputError when a label asked for is none that the format has."""
    for label in labels:
        if label not in available:
            raise InputError(
                f"labels: {label!r} is no label of format {format}; expected some of {', '.join(available)}"
            )
