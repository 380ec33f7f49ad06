"""Which column of a table is meant: the exact name first; two that could be meant are refused, near-misses told."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from scripts.lib.core.errors import InputError
from scripts.lib.formats.record import Notes
from scripts.lib.formats.tables import Table

NEAR = "columns that are not read, but are called almost like one that would be"


def plain_name(column: str) -> str:
    """Return a column's name in lower case with underscores and without accents, e.g. "pleural_effusion".

    >>> plain_name("Lungenentzündung (ja/nein)")
    'lungenentzundung_ja_nein'
    """
    if not column.isascii():
        column = "".join(sign for sign in unicodedata.normalize("NFKD", column) if not unicodedata.combining(sign))
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")


def find_column(table: Table, name: str) -> str | None:
    """Return the column called `name`, exactly or but for case, blanks and signs; raises InputError when two could be meant."""
    if name in table.columns:
        return name
    candidates = [column for column in table.columns if plain_name(column) == plain_name(name)]
    if len(candidates) > 1:
        raise InputError(
            f"{table.path}: {name!r} could be column {' or '.join(repr(column) for column in candidates)}; rename one of them"
        )
    return candidates[0] if candidates else None


def note_near_columns(table: Table, absent: Iterable[str], read: Sequence[str], notes: Notes) -> None:
    """Note the columns that nothing reads (`read` names the others) whose name is close to one that is `absent`."""
    unread = {plain_name(column): column for column in table.columns if column not in read}
    for name in absent:
        for near in get_close_matches(plain_name(name), unread, n=1, cutoff=0.8):
            notes.add(NEAR, f"{unread[near]!r} for {name!r}")
