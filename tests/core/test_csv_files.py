"""Rows become CSV whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.core.csv_files import write_csv


def test_rows_stand_under_their_columns_and_none_is_an_empty_field(tmp_path: Path) -> None:
    rows = ({"name": name, "value": value} for name, value in (("a, b", 0.1), ("c", None)))
    write_csv(tmp_path / "table.csv", rows, ["value", "name"])
    assert (tmp_path / "table.csv").read_bytes() == b'value,name\n0.1,"a, b"\n,c\n'
    write_csv(tmp_path / "empty.csv", [], ["value"])
    assert (tmp_path / "empty.csv").read_bytes() == b"value\n"


def test_a_row_with_a_column_too_many_leaves_the_old_table(tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", [{"a": 1}], ["a"])
    with pytest.raises(ValueError, match="'b'"):
        write_csv(tmp_path / "table.csv", [{"a": 2}, {"a": 3, "b": 4}], ["a"])
    assert (tmp_path / "table.csv").read_text() == "a\n1\n" and len(list(tmp_path.iterdir())) == 1
