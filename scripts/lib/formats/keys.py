"""Identifiers that link tables: the exact text first, then the one that differs in form only; what finds no partner is counted.

Spreadsheets and scripts rewrite identifiers: 50000000 becomes 50000000.0, 007 becomes 7, letters change their case, an
accent its Unicode form. A film that loses its partner so must not become one without a finding.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Generic, TypeVar

from scripts.lib.core.errors import InputError

T = TypeVar("T")
MOST = 0.5  # share of films without a partner beyond which two tables do not belong together
FLOAT = re.compile(r"\d+\.0*")
ZEROS = re.compile(r"(?<!\d)0+(?=\d)")


def normal_form(text: str) -> str:
    """Return an identifier in Unicode's composed form (NFC), without blanks around it."""
    return unicodedata.normalize("NFC", text).strip()


def loose(text: str) -> str:
    """Return what is left of an identifier without its form: case, blanks, zeros that lead a number, a final .0."""
    key = "".join(normal_form(text).casefold().split())
    if FLOAT.fullmatch(key):
        key = key.partition(".")[0]
    return ZEROS.sub("", key)


def whole_number(text: str) -> str:
    """Return "50000000" of "50000000.0", and any other text as it is."""
    return text.partition(".")[0] if FLOAT.fullmatch(text) else text


class Join(Generic[T]):
    """The rows of one table by an identifier, and how the search for partners in it went."""

    def __init__(self, path: Path | str, column: str) -> None:
        self.path, self.column = path, column
        self.rows: dict[str, T] = {}
        self.asked = self.missed = 0
        self.lost = ""
        self._loose: dict[str, list[str]] | None = None

    def add(self, key: str, value: T) -> None:
        """Add a row; a later row of the same text replaces the earlier one (tables refuse unlike rows of one key)."""
        self.rows[normal_form(key)] = value

    def match(self, key: str) -> str | None:
        """Return the table's own spelling of `key`, None without a partner; raises InputError when two could be meant."""
        self.asked += 1
        name = normal_form(key)
        if name in self.rows:
            return name
        if self._loose is None:
            self._loose = {}
            for known in self.rows:
                self._loose.setdefault(loose(known), []).append(known)
        spellings = self._loose.get(loose(name), [])
        if len(spellings) > 1:
            raise InputError(
                f"{self.path}: column {self.column} has {spellings[0]!r} and {spellings[1]!r}, and either could be {name!r}; write "
                "identifiers alike in all tables"
            )
        if spellings:
            return spellings[0]
        self.missed += 1
        self.lost = min(self.lost or name, name)
        return None

    def find(self, key: str, default: T) -> T:
        """Return the row of `key`, or `default` where it has no partner."""
        name = self.match(key)
        return default if name is None else self.rows[name]

    def check(self, what: str, key: str) -> None:
        """Raise InputError when most of the films that were looked for have no row; `what` the rows hold, `key` names the table."""
        if self.missed <= MOST * self.asked:
            return
        known = f"such as {min(self.rows)!r}" if self.rows else "nothing"
        raise InputError(
            f"{self.path}: no row of {what} for {self.missed} of {self.asked} films, e.g. {self.lost!r}; column {self.column} "
            f"holds {known}. Write identifiers alike in both tables, or set reader.{key}: null to do without"
        )
