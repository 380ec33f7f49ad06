"""`python -m scripts.compare_arms --trials mine.csv` on a table made elsewhere, with nothing else of a study."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from scripts import compare_arms
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.own_trials import read_own_trials
from tests.conftest import ROOT

REAL, MADE = (0.60, 0.64, 0.62), (0.70, 0.71, 0.75)


def write(path: Path, extra: str = "") -> Path:
    rows = [f"{arm},{trial},{value}" for arm, own in (("real", REAL), ("gan", MADE)) for trial, value in enumerate(own)]
    path.write_text("\n".join(["arm,trial,value", *rows]) + "\n" + extra)
    return path


def test_three_columns_in_an_empty_folder_are_enough(tmp_path: Path) -> None:
    write(tmp_path / "mine.csv")
    command = [sys.executable, "-m", "scripts.compare_arms", "--trials", "mine.csv"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    table = pd.read_csv(StringIO(done.stdout), na_values=["n/a"])
    expected = stats.ttest_ind(MADE, REAL, equal_var=False, alternative="greater")
    assert len(table) == 1 and table["arm"].item() == "gan"
    assert table["p_value"].item() == pytest.approx(expected.pvalue)
    assert table["difference"].item() == pytest.approx(0.1)  # .72 - .62
    assert "without dataset, task, metric, fraction, multiplier, seed, n_real, n_synthetic" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


def test_columns_that_are_there_are_used(tmp_path: Path) -> None:
    rows = [f"{metric},{arm},{m},{t},{0.1 * t + m}" for metric in ("acc", "f1") for arm, m in (("real", 0), ("gan", 2), ("gan", 5)) for t in (0, 1)]  # fmt: skip
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["metric,arm,multiplier,trial,value", *rows]) + "\n")
    trials, assumed = read_own_trials(path)
    assert assumed == ["dataset", "task", "fraction", "seed", "n_real", "n_synthetic"]
    assert sorted(set(trials["multiplier"])) == [0, 2, 5] and (trials["seed"] == trials["trial"]).all()
    out = tmp_path / "tests.csv"
    compare_arms.main(["--trials", str(path), "--metrics", "acc", "--out", str(out)])
    assert pd.read_csv(out)["metric"].tolist() == ["acc", "acc"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("arm,value\nreal,1\n", r"columns \['trial'\] are missing; expected arm, trial and value"),
        ("arm,trial,value\ngan,0,1\nvae,0,1\n", "no row has arm = real.*the arms are gan, vae"),
        ("arm,trial,value\nreal,0,much\n", "line 2: value = 'much'; expected a number"),
        ("arm,trial,value\nreal,0,1\nreal,0,2\n", "trial 0 is given twice"),
    ],
)
def test_what_cannot_be_compared_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InputError, match=line):
        compare_arms.main(["--trials", str(tmp_path / "mine.csv")])


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("fraction", "1.5", "more than 0 and at most 1"),
        ("fraction", "0", "more than 0 and at most 1"),
        ("multiplier", "-2", "0 or more"),
        ("n_synthetic", "-1", "0 or more"),
    ],
)
def test_numbers_that_no_trial_has_are_refused_with_their_line(
    tmp_path: Path, column: str, value: str, expected: str
) -> None:
    usual = {"fraction": "0.1", "multiplier": "2", "n_synthetic": "20"}[column]
    rows = ["real,0,0.6", "real,1,0.7", "gan,0,0.7", "gan,1,0.8"]
    given = [usual, usual, usual, value]
    lines = [f"arm,trial,value,{column}", *(f"{row},{one}" for row, one in zip(rows, given))]
    (tmp_path / "mine.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=f"mine.csv: line 5: {column} = {value}; expected .*{expected}"):
        read_own_trials(tmp_path / "mine.csv")
