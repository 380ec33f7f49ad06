"""Tables, labels and paths: what is normalised, and the one clear line that each mistake gets."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats.tables import Table, check_unchanged, number, stamps

PLAIN = "id,a,b\nx,1,2\ny,3,4\n"


def written(tmp_path: Path, data: bytes | str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def cells(path: Path, encoding: str = "utf-8") -> list[tuple[str, str, str]]:
    return [(row["id"], row["a"], row["b"]) for row in Table(path, ("id", "a", "b"), encoding)]


NORMALISED = {
    "plain": PLAIN.encode(),
    "byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "lone CR": PLAIN.replace("\n", "\r").encode(),
    "UTF-16 little endian": PLAIN.encode("utf-16"),
    "UTF-16 big endian": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "UTF-32": PLAIN.encode("utf-32"),
    "UTF-32 big endian": b"\0\0\xfe\xff" + PLAIN.encode("utf-32-be"),
    "two byte order marks, of two tools": b"\xef\xbb\xbf" + PLAIN.encode("utf-8-sig"),
    "files put together, each with its mark": "id,a,b\nx,1,2\n\ufeffy,3,4\n".encode(),
    "joints without width": "\u200bid,a,b\u200b\nx\u200b,1,2\ny,3,4\n".encode(),
    "reordered, blank-led names": b" b , id,a\n2,x,1\n4,y,3\n",
    "blanks in cells, blank lines": b"id,a,b\n\nx, 1 ,2\n,,\ny,3,4\n\n",
    "no newline at the end": PLAIN.rstrip().encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "semicolons, as Excel declares them": b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
    "commas, as Excel declares them": b"\xef\xbb\xbfsep=,\r\n" + PLAIN.encode(),
    "semicolons in a cell of a table with commas": b"id,a,b,c;d\nx,1,2,u;v\ny,3,4,;\n",
    "more columns": b"id,a,b,c\nx,1,2,9\ny,3,4,9\n",
}


@pytest.mark.parametrize("name", NORMALISED)
def test_tables_that_are_read_alike(tmp_path: Path, name: str) -> None:
    assert cells(written(tmp_path, NORMALISED[name])) == [("x", "1", "2"), ("y", "3", "4")]


def test_gzipped_table_is_found_under_its_plain_name(tmp_path: Path) -> None:
    written(tmp_path, gzip.compress(PLAIN.encode()), "t.csv.gz")
    assert cells(tmp_path / "t.csv") == [("x", "1", "2"), ("y", "3", "4")]


WRONG = {
    "empty file": (b"", "empty"),
    "no rows": (b"id,a,b\n", "no rows"),
    "missing column": (b"id,b\nx,1\n", "no column a; the table has id, b"),
    "doubled column": (b"id,a,a,b\nx,1,1,2\n", "column a is there twice"),
    "too few fields": (b"id,a,b\nx,1,2\ny,3\n", "row 3: 2 fields, expected 3"),
    "broken quote": (b'id,a,b\nx,"1"2,3\n', "row 2: not a CSV table"),
    "open quote": (b'id,a,b\nx,"1,2\ny,3,4\n', "not a CSV table"),
    "UTF-16 without mark": (PLAIN.encode("utf-16-le"), "NUL"),
    "Latin-1": ("id,a,b\nä,1,2\n".encode("latin-1"), "reader.encoding"),
    "Excel's own file": (b"PK\x03\x04\x14\0", "an Excel workbook or a ZIP archive"),
    "Excel's old file": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook"),
    "Parquet": (b"PAR1\x15\x04", "a Parquet table"),
    "packed without saying so": (gzip.compress(PLAIN.encode()), "packed by gzip"),
    "cut gzip": (gzip.compress(PLAIN.encode() * 500)[:60], "copy it anew"),
}


@pytest.mark.parametrize("name", WRONG)
def test_tables_that_stop_the_run(tmp_path: Path, name: str) -> None:
    data, message = WRONG[name]
    file = "t.csv.gz" if "gzip" in name else "t.csv"
    path = written(tmp_path, data, file)
    with pytest.raises(InputError, match=message) as caught:
        cells(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_declared_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, "id,a,b\nä,1,2\n".encode("cp1252"))
    assert cells(path, "cp1252") == [("ä", "1", "2")]


def test_a_declared_encoding_without_a_mark(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN.encode("utf-16-le"))
    assert cells(path, "utf-16-le") == [("x", "1", "2"), ("y", "3", "4")]


@pytest.mark.parametrize("encoding", ["utf9", "hex", "rot13", ""])
def test_what_is_no_encoding_of_text_is_one_line(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(InputError, match="reader.encoding = .*no encoding of text") as caught:
        cells(written(tmp_path, PLAIN), encoding)
    assert "\n" not in str(caught.value)


def test_missing_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such table"):
        Table(tmp_path / "t.csv")


def test_equal_repeats_are_dropped_and_unlike_ones_stop(tmp_path: Path) -> None:
    same = written(tmp_path, "id,a\nx,1\nx, 1\ny,2\n")
    assert [row["id"] for row in Table(same).unique("id")] == ["x", "y"]
    unlike = written(tmp_path, "id,a\nx,1\ny,2\nx,2\n")
    with pytest.raises(InputError, match="row 4: id x is already in row 2"):
        list(Table(unlike).unique("id"))
    # One accent in two Unicode forms is one name: a join would take the last of the two rows in silence.
    forms = written(tmp_path, "id,a\n\u00e9,1\ne\u0301,2\n")
    with pytest.raises(InputError, match="row 3: id .* is already in row 2"):
        list(Table(forms).unique("id"))
    with pytest.raises(InputError, match="row 2: column id is empty"):
        list(Table(written(tmp_path, "id,a\n,1\n")).unique("id"))


@pytest.mark.parametrize(("text", "value"), [("", None), ("NaN", None), ("2.5", 2.5), ("-3", -3.0)])
def test_numbers(tmp_path: Path, text: str, value: float | None) -> None:
    row = next(iter(Table(written(tmp_path, f"id,a\nx,{text}\n"))))
    assert number(row, "a") == value


@pytest.mark.parametrize("text", ["many", "inf", "1,5"])
def test_wrong_numbers(tmp_path: Path, text: str) -> None:
    row = next(iter(Table(written(tmp_path, f'id,a\nx,"{text}"\n'))))
    with pytest.raises(InputError, match="row 2: column a"):
        number(row, "a")


def test_a_table_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN)
    before = stamps([path, tmp_path / "missing.csv"])
    check_unchanged(before)
    os.utime(path, ns=(1, 1))
    with pytest.raises(InputError, match="changed while"):
        check_unchanged(before)
