"""Tables that a spreadsheet program has opened and saved: read right or refused in one line, never taken for something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import FIGURE2, SIGNIFICANCE, TESTS, read_table
from scripts.lib.filters.proxy.kept_table import COLUMNS as KEPT
from scripts.lib.filters.proxy.kept_table import read_kept_table
from scripts.lib.filters.proxy.usable import COLUMNS as VALIDATION
from scripts.lib.filters.proxy.usable import read_validation
from scripts.lib.formats.csv_text import read_columns, read_text
from scripts.lib.study.tables import TRIALS

SIGNIFICANT = "siim,dice,0.1,original,2,0.0123,{},\n"
TRIAL = "siim,segmentation,dice,0.1,real,0,{},{},40,0,{}\n"


def write(path: Path, columns, *rows: str, encoding: str = "utf-8", newline: str = "\n") -> Path:
    text = ",".join(columns) + "\n" + "".join(rows)
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("word", "value"),
    [("True", True), ("TRUE", True), ("true", True), (" TRUE ", True), ("False", False), ("FALSE", False)],
)
def test_a_truth_is_read_in_any_case(tmp_path: Path, word: str, value: bool) -> None:
    table = read_table(write(tmp_path / "s.csv", SIGNIFICANCE, SIGNIFICANT.format(word)), SIGNIFICANCE)
    assert table["significant"].tolist() == [value] and table["significant"].dtype == bool


@pytest.mark.parametrize("word", ["WAHR", "VRAI", "1", "0", "yes", "", "n/a", "T", "truth"])
def test_what_is_no_truth_is_refused(tmp_path: Path, word: str) -> None:
    path = write(tmp_path / "s.csv", SIGNIFICANCE, SIGNIFICANT.format("True"), SIGNIFICANT.format(word))
    with pytest.raises(InputError, match=rf"s.csv: line 3: significant = '{word}'; expected True or False") as error:
        read_table(path, SIGNIFICANCE)
    assert "\n" not in str(error.value)


def test_a_row_without_a_test_has_no_truth_where_that_may_be(tmp_path: Path) -> None:
    row = "siim,SIIM,segmentation,dice,trial,0.1,real,0,1,n/a,40,0,n/a,0.5,n/a,n/a,{},\n"
    path = write(tmp_path / "f.csv", FIGURE2, row.format("n/a"), row.format("TRUE"))
    assert read_table(path, FIGURE2, optional=FIGURE2)["significant"].tolist() == [False, True]
    path = write(tmp_path / "f.csv", FIGURE2, row.format("WAHR"))
    with pytest.raises(InputError, match="significant = 'WAHR'"):
        read_table(path, FIGURE2, optional=FIGURE2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_byte_order_mark_and_other_line_ends_change_nothing(tmp_path: Path, encoding: str, newline: str) -> None:
    path = write(tmp_path / "t.csv", TRIALS, TRIAL.format(1, 7, 0.5), encoding=encoding, newline=newline)
    row = read_table(path, TRIALS).iloc[0]
    assert (row["dataset"], row["trial"], row["seed"], row["value"]) == ("siim", 1, 7, 0.5)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_separator_is_refused(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text((",".join(TRIALS) + "\n" + TRIAL.format(1, 7, 0.5)).replace(",", separator))
    with pytest.raises(InputError, match=r"t.csv: fields are separated by .*; was it saved by a spreadsheet program\?"):
        read_table(path, TRIALS)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (TRIAL.format(1, 7, '"0,5"'), "value = '0,5'; expected a number"),
        (TRIAL.format(1, 7, "0,5"), "line 2 has 12 fields, the header 11"),
        (TRIAL.format(1, "1.23457E+18", 0.5), "seed = '1.23457E\\+18'; expected a whole number"),
        (TRIAL.format("01.Feb", 7, 0.5), "trial = '01.Feb'; expected a whole number"),
        (TRIAL.format("1.5", 7, 0.5), "trial = '1.5'; expected a whole number"),
        (TRIAL.format(1, 7, "#DIV/0!"), "value = '#DIV/0!'"),
        (TRIAL.format(1, 7, "50%"), "value = '50%'"),
        ("siim,segmentation,dice\n", "line 2 has 3 fields, the header 11"),
    ],
)
def test_what_a_spreadsheet_makes_of_numbers_is_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_table(write(tmp_path / "t.csv", TRIALS, row), TRIALS)
    assert "\n" not in str(error.value) and "t.csv" in str(error.value)


def test_one_long_row_among_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="t.csv: line 3 has 12 fields, the header 11"):
        read_text(write(tmp_path / "t.csv", TRIALS, TRIAL.format(1, 7, 0.5), TRIAL.format(2, 8, "0,5")))


def test_other_columns_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["label", "n"], "TRUE,1\n", "0012,2.0\n")
    table = read_columns(path, ["label", "n"], whole=["n"])
    assert table["label"].tolist() == ["TRUE", "0012"] and table["n"].tolist() == [1, 2]


def test_the_proxy_models_validation(tmp_path: Path) -> None:
    row = "edema,mimic,validate,cosine,200,{},190,{},0.7,0.9,{},\n"
    path = tmp_path / "validation.csv"
    for word, usable in (("TRUE", True), ("FALSE", False)):
        table = read_validation(write(path, VALIDATION, row.format(40, 0.8, word)))
        assert table["usable"].tolist() == [usable] and table["positive"].tolist() == [40]
    # A label without both classes has no AUROC.
    assert read_validation(write(path, VALIDATION, row.format(0, "", "False")))["auroc"].isna().all()
    for cells, message in (((40, 0.8, "WAHR"), "usable = 'WAHR'"), ((40, '"0,8"', "TRUE"), "auroc = '0,8'")):
        with pytest.raises(InputError, match=message):
            read_validation(write(path, VALIDATION, row.format(*cells)))


def test_the_table_of_what_was_kept(tmp_path: Path) -> None:
    row = "0,1.0,edema,all,100,10,0.2,{},10" + ",0.5" * 6 + "\n"
    table = read_kept_table(
        write(tmp_path / "kept.csv", KEPT, row.format(0.4), row.format("").replace(",10,0.5", ",,0.5"))
    )
    assert table["prefix"].tolist() == [1.0, 1.0] and table["compared"].isna().tolist() == [False, True]
    with pytest.raises(InputError, match="score_kept = '0,4'"):
        read_kept_table(write(tmp_path / "kept.csv", KEPT, row.format('"0,4"')))


def test_figure_1_reads_the_tests(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.csv",
        [*TESTS, "significant"],
        "siim,0.1,2,0.1,0.0,0.2,0.01,TRUE\n",
        "siim,1,2,0.1,n/a,n/a,n/a,FALSE\n",
    )
    table = read_table(path, TESTS, optional=TESTS)
    assert table["p_bonferroni"].isna().tolist() == [False, True] and table["ci_high"].iloc[0] == 0.2
