"""Strict reading of a dataset's CSV tables: every complaint names the file and the row."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from scripts.lib.core.errors import InputError
from scripts.lib.formats.keys import normal_form
from scripts.lib.formats.sources import table_path
from scripts.lib.formats.table_files import bare, is_declaration, open_text, separator

FIELD_LIMIT = 1 << 24
MISSING_WORDS = frozenset({"", "nan", "na", "n/a", "none", "null"})


class Row:
    """One row of a table: values by column name, stripped of blanks."""

    __slots__ = ("_columns", "_values", "line", "path")

    def __init__(self, columns: dict[str, int], values: list[str], path: Path, line: int) -> None:
        self._columns = columns
        self._values = values
        self.path = path
        self.line = line

    def __getitem__(self, column: str) -> str:
        return bare(self._values[self._columns[column]])

    def get(self, column: str, default: str = "") -> str:
        """Return the value of a column, or `default` where the table has no such column."""
        return self[column] if column in self._columns else default

    @property
    def where(self) -> str:
        """File and row for messages; the header is row 1, as a spreadsheet shows it."""
        return f"{self.path} row {self.line}"

    def content(self, ignoring: Sequence[str] = ()) -> tuple[str, ...]:
        """Return all values, to compare two rows."""
        return tuple(bare(value) for column, value in zip(self._columns, self._values) if column not in ignoring)


class Table:
    """A CSV table, read row by row; the header is checked at once, the rows as they come.

    Fields are separated by commas, or by semicolons, tabs or bars where the header has no comma (table_files.separator).
    """

    def __init__(self, path: str | Path, required: Iterable[str] = (), encoding: str = "utf-8") -> None:
        self.path = table_path(Path(path).parent, Path(path).name)
        self._stream = open_text(self.path, encoding)
        csv.field_size_limit(FIELD_LIMIT)
        self._reader = csv.reader(self._stream, delimiter=separator(self.path, encoding), strict=True)
        rows = (row for row in self._lines() if any(cell.strip() for cell in row))
        header = next((row for row in rows if not is_declaration(row)), None)
        if header is None:
            raise InputError(f"{self.path}: empty; expected a CSV table with a header line")
        self.columns = _check_header(self.path, [bare(name) for name in header], required)

    def __del__(self) -> None:
        if stream := getattr(self, "_stream", None):  # whoever stops in the middle of a table leaves no file open
            stream.close()

    def _lines(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except csv.Error as error:
            raise InputError(f"{self.path} row {self._reader.line_num}: not a CSV table ({error})") from None
        except UnicodeError as error:
            raise InputError(
                f"{self.path}: not text in the encoding {self._stream.encoding} ({error}); save it as UTF-8, or set "
                "reader.encoding, e.g. cp1252"
            ) from None
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{self.path}: cannot be read to its end ({error}); copy it anew") from None

    def __iter__(self) -> Iterator[Row]:
        width, number, count = len(self.columns), 1, 0
        for values in self._lines():
            number += 1
            if not any(value.strip() for value in values):
                continue
            if len(values) != width:
                raise InputError(f"{self.path} row {number}: {len(values)} fields, expected {width} as in the header")
            if "\0" in "".join(values):
                raise InputError(f"{self.path} row {number}: a NUL byte in a field; save the table as plain text")
            count += 1
            yield Row(self.columns, values, self.path, number)
        self._stream.close()
        if not count:
            raise InputError(f"{self.path}: no rows below the header; expected at least one")

    def unique(self, key: str) -> Iterator[Row]:
        """Yield the rows, equal repeats dropped; raises InputError for two unlike rows of one key or for an empty key."""
        seen: dict[str, tuple[int, int]] = {}
        for row in self:
            name = row[key]
            if not name:
                raise InputError(f"{row.where}: column {key} is empty; expected an identifier")
            content, same = hash(row.content(ignoring=[key])), normal_form(name)
            if same not in seen:
                seen[same] = (row.line, content)
                yield row
            elif seen[same][1] != content:
                raise InputError(
                    f"{row.where}: {key} {name} is already in row {seen[same][0]} with other values; keep one of the two"
                )


def _check_header(path: Path, names: list[str], required: Iterable[str]) -> dict[str, int]:
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    missing = [name for name in required if name not in names]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}{_nearest(missing, names)}; the table has {', '.join(names)[:300]}"
        )
    if doubled:
        raise InputError(f"{path}: column {', '.join(doubled)} is there twice; rename or remove one")
    return {name or f"unnamed {k}": k for k, name in enumerate(names)}


def _nearest(missing: Sequence[str], names: Sequence[str]) -> str:
    lower = {name.lower(): name for name in names}
    near = [lower[match] for name in missing for match in get_close_matches(name.lower(), lower, n=1)]
    return f", did you mean {', '.join(near)}?" if near else ""


def stamps(paths: Iterable[Path]) -> dict[Path, tuple[int, int] | None]:
    """Return {table: (size, time of change)}, None for one that is missing, which its reader will say."""
    stamped: dict[Path, tuple[int, int] | None] = {}
    for path in paths:
        status = path.stat() if path.exists() else None
        stamped[path] = (status.st_size, status.st_mtime_ns) if status else None
    return stamped


def check_unchanged(before: Mapping[Path, tuple[int, int] | None]) -> None:
    """Raise InputError when a table is not as it was when `stamps` looked at it."""
    for path, stamp in stamps(before).items():
        if stamp != before[path]:
            raise InputError(f"{path}: changed while it was being read; run again when nothing writes to it")


def is_missing(text: str) -> bool:
    """Whether a cell holds nothing: empty, NaN, None and the like."""
    return text.strip().lower() in MISSING_WORDS


def number(row: Row, column: str) -> float | None:
    """Return a cell as a finite number, or None where it is empty; raises InputError for anything else."""
    text = row.get(column)
    if is_missing(text):
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or abs(value) == float("inf"):
        raise InputError(f"{row.where}: column {column} is {text!r}, expected a number or nothing")
    return value
