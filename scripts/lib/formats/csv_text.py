"""Reading the workflow's own CSV tables, which a person may have opened and saved in a spreadsheet program meanwhile.

What such a program changes is read right or refused in one line, never taken for something else: a byte order mark, CRLF and
TRUE for True are read; semicolons, decimal commas, words of another language, dates and numbers that were rounded to be shown
(1.23E+18) are refused.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.lib.core.errors import InputError

MISSING = "n/a"
ABSENT = frozenset({"", MISSING, "nan"})
TRUTHS = {"true": True, "false": False}
WHOLE = re.compile(r"[-+]?\d+(\.0*)?")
SAVED = (
    "was it saved by a spreadsheet program? Save it with commas between fields and points in numbers, or make it again"
)


def read_text(path: Path, empty: bool = False) -> pd.DataFrame:
    """Return a CSV as text, one row at least unless it may be `empty`; raises InputError for a file that is no such table."""
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = [row for row in csv.reader(stream, strict=True) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV table ({error}); make it again") from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such table") from None
    if not lines:
        raise InputError(f"{path}: not a CSV table (it is empty); make it again")
    header, *rows = lines
    if len(header) == 1 and (mark := re.search(r"[;\t]", header[0])):
        raise InputError(f"{path}: fields are separated by {mark[0]!r}; {SAVED}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{path}: line {number} has {len(row)} fields, the header {len(header)}; {SAVED}")
    if not rows and not empty:
        raise InputError(f"{path}: the table has no rows; make it again")
    return pd.DataFrame(rows, columns=header, dtype=str)


def read_columns(
    path: Path,
    columns: Sequence[str],
    numbers: Collection[str] = (),
    whole: Collection[str] = (),
    truths: Collection[str] = (),
    optional: Collection[str] = (),
    empty: bool = False,
) -> pd.DataFrame:
    """Return these columns of a CSV: `numbers` and `whole` numbers as numbers, `truths` as bool, the rest as text.

    A number is NaN and a truth False where an `optional` column says n/a or nothing; `empty`: as for read_text. Raises InputError, with file, line and
    column, for a missing column and for anything else where a number or a truth belongs.
    """
    text = read_text(path, empty)
    if missing := [name for name in columns if name not in text]:
        raise InputError(f"{path}: columns {missing} are missing; expected {list(columns)}")
    table = text[list(columns)].copy()
    for name in columns:
        if name in truths:
            table[name] = _truths(text[name], path, name in optional)
        elif name in numbers or name in whole:
            table[name] = _numbers(text[name], path, name in optional, name in whole)
    return table


def _truths(text: pd.Series, path: Path, optional: bool) -> pd.Series:
    words = text.str.strip().str.lower()
    wrong = np.flatnonzero(~(words.isin(TRUTHS) | (words.isin(ABSENT) & optional)))
    if len(wrong):
        raise _fault(path, text, wrong[0], "True or False")
    return words.map(lambda word: TRUTHS.get(word, False)).astype(bool)


def _numbers(text: pd.Series, path: Path, optional: bool, whole: bool) -> pd.Series:
    words = text.str.strip()
    absent = words.str.lower().isin(ABSENT)
    values = pd.to_numeric(words.mask(absent), errors="coerce")
    wrong = values.isna() & ~(absent & optional)
    if whole:
        wrong |= ~absent & ~words.map(lambda word: bool(WHOLE.fullmatch(word)))
    if wrong.any():
        raise _fault(path, text, np.flatnonzero(wrong)[0], "a whole number" if whole else "a number")
    return values


def _fault(path: Path, text: pd.Series, row: int, expected: str) -> InputError:
    value = text.iloc[row]
    advice = "; " + SAVED if value.strip() else ""
    return InputError(f"{path}: line {row + 2}: {text.name} = {value!r}; expected {expected}{advice}")
