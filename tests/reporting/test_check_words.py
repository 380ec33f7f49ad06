"""What the check page counts, outlines and words, each by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.reporting import check_facts, check_pictures
from scripts.lib.reporting.check_needs import MISSING, WARNING, CheckLine, write_findings
from scripts.lib.reporting.check_page import duration
from scripts.lib.study.needs import tell_findings


def test_shares_are_apart_only_beyond_chance() -> None:
    # 50 % of 100 and 20 % of 100: the error is sqrt(.35 * .65 * .02) = 0.067, the difference 0.3 is 4.4 of it.
    assert check_facts._apart(0.5, 100, 0.2, 100)
    assert not check_facts._apart(0.5, 10, 0.2, 10)  # error 0.21
    assert not check_facts._apart(0.50, 10**6, 0.45, 10**6)  # sure, but too small to matter


def test_counts_by_split_sex_age_and_view() -> None:
    table = pd.DataFrame({"split": ["train", "test"], "sex": ["F", ""], "age": [64.0, None], "view": ["PA", ""]})
    table = table.assign(
        patient_id=["a", "a"], sick=pd.array([1, None], dtype="Int8"), shown=np.array([2, 0], np.uint8)
    )
    rows = {(row["kind"], row["name"]): row for row in check_facts.count_rows(table, ["sick"], ["heart", "lungs"])}
    assert rows["all films", ""]["patients"] == 1 and rows["all films", ""]["shares"] == [
        "1 (100%, 1 not known)",
        "0",
        "1",
    ]
    assert (
        rows["age", "40 to 64"]["films"] == rows["age", "not known"]["films"] == rows["sex", "not known"]["films"] == 1
    )
    assert rows["split", "test"]["shares"] == ["not known", "0", "0"]


def test_an_outline_is_the_border_of_a_mask() -> None:
    mask = np.zeros((6, 6), bool)
    mask[1:5, 1:5] = True
    assert check_pictures.outline(mask).sum() == 12 and not check_pictures.outline(mask)[2:4, 2:4].any()
    assert check_pictures.outline(np.ones((3, 3), bool)).sum() == 8  # the border of the film counts as outside


@pytest.mark.parametrize(
    ("hours", "said"),
    [(None, "time not known"), (0.001, "about 1 minute"), (3.2, "about 3 hours"), (72, "about 3 days")],
)
def test_durations(hours: float | None, said: str) -> None:
    assert duration(hours) == said


def test_the_screen_says_each_finding_and_the_verdict_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        CheckLine(MISSING, "a", "no film", "add some"),
        CheckLine(WARNING, "a", "odd", ""),
        CheckLine("note", "a", "quiet", ""),
    ]
    write_findings(tmp_path / "check.csv", found)
    monkeypatch.chdir(tmp_path)  # as the run works in the folder of its own, and its reader elsewhere
    tell_findings(["check.csv"])
    assert capsys.readouterr().err.splitlines() == [
        "missing: a: no film; add some",
        "warning: a: odd",
        f"This study cannot start, 1 thing to mend; 1 warning: look at {tmp_path / 'check.html'}",
    ]
