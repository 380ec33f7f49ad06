"""Opening the file of a table as text: in which encoding it is, and what it is where it is no CSV table."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from scripts.lib.core.errors import InputError

# Files that people hand over as tables, by their first bytes.
OTHERS = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a Parquet table",
    b"\x1f\x8b": "packed by gzip, which the name does not say",
    b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file",
}
MARKS = {  # byte order marks; those of UTF-32 first, for they begin as those of UTF-16 do
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
UNSEEN = (
    "\ufeff\u200b\u2060"  # marks of byte order and joints without width, which no eye sees and no comparison forgives
)
SEPARATORS = (";", "\t", "|")  # beside the comma
DECLARED = re.compile(r"sep=(.)")


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Return a table's text, unpacked where the name ends in .gz; a byte order mark counts more than `encoding`.

    Raises InputError for a file that is not there, cannot be read, or is no text.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such table; check `root` and the table names under `reader`")
    with ExitStack() as on_error:
        source = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
        opened = on_error.enter_context(source)
        try:
            start = opened.read(8)
            opened.seek(0)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: cannot be read ({error}); copy it anew") from None
        for first, kind in OTHERS.items():
            if start.startswith(first):
                raise InputError(f"{path}: {kind}, expected a CSV table; save it as CSV in UTF-8")
        known = _checked(encoding, path)
        marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
        if marked is None and b"\0" in start and not known.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
            raise InputError(f"{path}: holds NUL bytes where text was expected; save it as CSV in UTF-8")
        on_error.pop_all()  # the reader closes it
    return io.TextIOWrapper(cast(BinaryIO, opened), encoding=marked or known, newline="")


def _checked(encoding: str, path: Path) -> str:
    """Return the encoding as Python calls it; UTF-8 with or without a byte order mark."""
    try:
        known = codecs.lookup(encoding)
        "".encode(encoding)  # codecs such as hex make no bytes of text
    except LookupError:
        raise InputError(
            f"{path}: reader.encoding = {encoding!r}: no encoding of text; expected e.g. utf-8, utf-16, cp1252"
        ) from None
    return "utf-8-sig" if known.name == "utf-8" else encoding


def bare(cell: str) -> str:
    """Return a cell without blanks and unseen marks around it."""
    text = cell.strip()
    return text.strip(UNSEEN).strip() if text and (text[0] in UNSEEN or text[-1] in UNSEEN) else text


def separator(path: Path, encoding: str) -> str:
    """Return the mark between the fields of a table: a comma, or what its header of one field without commas is split by.

    Spreadsheet programs of countries with decimal commas save a CSV with semicolons; Excel may declare the mark in a line of
    its own above the header, `sep=;`.
    """
    with open_text(path, encoding) as stream:
        try:
            first = next((line for line in stream if line.strip()), "")
        except (UnicodeError, OSError, EOFError, zlib.error):
            return ","  # the reader of the table says what is wrong with it
    if declared := DECLARED.match(bare(first)):
        return declared[1]
    names = next(csv.reader([first]), [])
    return next((mark for mark in SEPARATORS if len(names) == 1 and mark in first), ",")


def is_declaration(cells: Sequence[str]) -> bool:
    """Whether a row is Excel's line that declares the mark between fields, which it does not show either."""
    return bare(cells[0]) == "sep=" and not any(cells[1:])
