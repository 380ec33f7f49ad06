"""Replication over seeds: hand-computed spreads, verdicts and shares, what is left out, and what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import measure_replication as command
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.differences import DIFFERENCES
from scripts.lib.evidence.replication import (
    count_coverage,
    expected_share,
    gather_seeds,
    read_replication,
    read_seeds,
    replicate,
)
from scripts.lib.evidence.tables import write_table

NONE = float("nan")


def row(difference: float, low: float = NONE, high: float = NONE, **about: Any) -> dict[str, Any]:
    cell = {
        "dataset": "rsna",
        "task": "classification",
        "metric": "f1",
        "fraction": 0.1,
        "arm": "original",
        "against": "real",
    }
    # Four trials, a spread of one trial's films of 0.1: a standard error of sqrt(0.01 / 4) = 0.05.
    spreads = {"sd_trials": 0.0, "sd_films": 0.1, "se_films": 0.0, "n_trials": 4, "n_patients": 30, "n_films": 30}
    own = {"multiplier": 2, "difference": difference, "low": low, "high": high, "p_harm": 0.1, "p_two_sided": 0.2}
    tests = {"family": "x", "family_size": 1, "p_bonferroni": 0.2, "p_holm": 0.2, "note": ""}
    return {**cell, **own, **spreads, **tests, **about}


def seeds(*tables: Sequence[dict[str, Any]]) -> dict[int, pd.DataFrame]:
    return {place + 1: pd.DataFrame(rows, columns=DIFFERENCES) for place, rows in enumerate(tables)}


def three() -> dict[int, pd.DataFrame]:
    return seeds([row(0.1, 0.0, 0.25)], [row(0.2, 0.1, 0.3)], [row(0.3, 0.21, 0.39)])


def test_a_cell_under_three_seeds_by_hand() -> None:
    found = replicate(gather_seeds(three())).iloc[0]
    # mean 0.2, standard deviation 0.1; Student's t with 2 degrees of freedom is 4.302653: 4.302653 x 0.1 / sqrt(3) = 0.248414
    assert (found["mean"], found["sd_seeds"]) == pytest.approx((0.2, 0.1))
    assert (found["low"], found["high"]) == pytest.approx((0.2 - 0.248414, 0.2 + 0.248414), abs=1e-6)
    # One run states 0.05: its variance is a quarter of that over seeds, so three quarters are between seeds.
    assert (found["se_within"], found["share_between"]) == pytest.approx((0.05, 0.75))
    # 0.0 to 0.25 does not leave out 0; the other two do. The last one, 0.21 to 0.39, does not hold 0.2.
    assert (found["helps"], found["harms"], found["same_verdict"]) == pytest.approx((2 / 3, 0, 2 / 3))
    assert (found["covered"], found["same_sign"], found["n_seeds"]) == pytest.approx((2 / 3, 1, 3))
    assert found["note"] == "fewer than 5 seeds: their spread is hardly known"


def test_the_standard_error_counts_trials_own_films_and_shared_films() -> None:
    rows = gather_seeds(seeds([row(0.1, 0.0, 0.2, sd_trials=0.3, sd_films=0.4, se_films=0.2, n_trials=5)]))
    # (0.09 + 0.16) / 5 + 0.04 = 0.09; of one trial, whose spread is not known, 0.4 squared + 0.04 = 0.2
    assert rows["standard_error"][0] == pytest.approx(0.3)
    alone = gather_seeds(seeds([row(0.1, 0.0, 0.2, sd_trials=NONE, sd_films=0.4, se_films=0.2, n_trials=1)]))
    assert alone["standard_error"][0] == pytest.approx(np.sqrt(0.2))


def test_seeds_that_agree_better_than_stated_leave_nothing_between_them() -> None:
    found = replicate(gather_seeds(seeds([row(0.10, 0.0, 0.2)], [row(0.12, 0.0, 0.2)]))).iloc[0]
    assert found["share_between"] == 0 and found["sd_seeds"] < found["se_within"]
    same = replicate(gather_seeds(seeds([row(0.1, 0.0, 0.2)], [row(0.1, 0.0, 0.2)]))).iloc[0]
    assert np.isnan(same["share_between"]) and same["note"] == "all seeds have the same value"


def test_the_best_multiplier_of_each_seed_is_counted() -> None:
    two = [(0.1, 0.15), (0.2, 0.15), (0.3, 0.35)]
    tables = seeds(*([row(one), row(other, multiplier=5)] for one, other in two))
    found = replicate(gather_seeds(tables)).set_index("multiplier")["best"]
    assert (found[2], found[5]) == pytest.approx((1 / 3, 2 / 3))


def test_where_smaller_is_better_a_fall_helps_and_the_smallest_is_best() -> None:
    metric = {"metric": "false_positive_share"}
    tables = seeds(*[[row(-0.2, -0.3, -0.1, **metric), row(0.2, 0.1, 0.3, multiplier=5, **metric)]] * 2)
    found = replicate(gather_seeds(tables)).set_index("multiplier")
    assert list(found["helps"]) == [1, 0] and list(found["harms"]) == [0, 1] and list(found["best"]) == [1, 0]
    assert list(found["same_sign"]) == [1, 1]


def test_a_seed_without_the_value_is_named_and_not_counted() -> None:
    tables = seeds(
        [row(0.1, 0.0, 0.2), row(0.3, 0.2, 0.4, multiplier=5)], [row(0.2, 0.1, 0.3), row(NONE, multiplier=5)]
    )
    found = replicate(gather_seeds(tables)).set_index("multiplier")
    assert found["n_seeds"].to_dict() == {2: 2, 5: 1}
    assert found["note"][5] == "no value under seed 2; one seed: nothing can be said of the spread"
    assert np.isnan(found["low"][5]) and np.isnan(found["sd_seeds"][5])
    assert count_coverage(gather_seeds(tables))["n_cells"].tolist() == [1, 1]


def test_a_difference_without_an_interval_says_nothing_of_coverage() -> None:
    tables = seeds([row(0.1)], [row(0.3)])
    found = replicate(gather_seeds(tables)).iloc[0]
    assert np.isnan([found["covered"], found["se_within"], found["share_between"]]).all()
    assert found["same_verdict"] == 1 and "no stated interval under seed 1, 2" in found["note"]
    summary = count_coverage(gather_seeds(tables)).iloc[-1]
    assert summary["n_intervals"] == 0 and np.isnan(summary["covered"]) and np.isnan(summary["spread_ratio"])


def test_coverage_counts_every_interval_of_a_metric_and_of_each_dataset() -> None:
    siim = {"dataset": "siim"}
    tables = seeds(
        [row(0.1, 0.0, 0.25), row(-0.1, -0.2, -0.01, **siim)],
        [row(0.2, 0.1, 0.3), row(0.1, 0.05, 0.2, **siim)],
        [row(0.3, 0.21, 0.39), row(0.3, 0.2, 0.4, **siim)],
    )
    found = count_coverage(gather_seeds(tables)).set_index("dataset")
    # rsna: two of three hold 0.2. siim: the mean is 0.1, which only 0.05 to 0.2 holds.
    assert found["covered"].to_dict() == pytest.approx({"rsna": 2 / 3, "siim": 1 / 3, "all": 3 / 6})
    # The variances over seeds are 0.01 and 0.04, the stated one is 0.0025: sqrt(4), sqrt(16), sqrt(0.025 / 0.0025).
    assert found["spread_ratio"].to_dict() == pytest.approx({"rsna": 2, "siim": 4, "all": np.sqrt(10)})
    assert found["all_agree"].to_dict() == pytest.approx({"rsna": 1, "siim": 0, "all": 0.5})
    assert found["same_sign"].to_dict() == pytest.approx({"rsna": 1, "siim": 2 / 3, "all": 5 / 6})
    assert found["contradicted"].to_dict() == pytest.approx({"rsna": 0, "siim": 1, "all": 0.5})
    assert found["same_verdict"].to_dict() == pytest.approx({"rsna": 2 / 3, "siim": 2 / 3, "all": 2 / 3})


def test_right_intervals_hold_the_mean_over_seeds_as_often_as_expected() -> None:
    """1.959964 / sqrt(1 - 1/2) = 2.771808, of which the normal curve holds 0.99443; of five seeds 2.191306: 0.97157."""
    assert (expected_share(2), expected_share(5), expected_share(1)) == pytest.approx((0.99443, 0.97157, 1), abs=2e-5)
    drawn = np.random.default_rng(1).normal(0, 0.05, (5, 800))
    reach = 1.959964 * 0.05
    tables = seeds(*([row(v, v - reach, v + reach, multiplier=m) for m, v in enumerate(values)] for values in drawn))
    found = count_coverage(gather_seeds(tables)).iloc[-1]
    assert found["covered"] == pytest.approx(found["expected"], abs=0.01)  # 4,000 intervals: three errors are 0.008
    assert found["spread_ratio"] == pytest.approx(1, abs=0.06)


def test_the_command_writes_three_tables_and_says_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = []
    for seed, table in three().items():
        write_table(table, tmp_path / f"{seed}.csv")
        named.append(f"{seed}={tmp_path / str(seed)}.csv")
    out, each, coverage = (tmp_path / name for name in ("out.csv", "seeds.csv", "coverage.csv"))
    files = ["--out", str(out), "--seeds", str(each), "--coverage", str(coverage)]
    command.main(["--differences", *named, "--config", '{"metrics": ["f1"]}', *files])
    assert read_replication(out)["mean"][0] == pytest.approx(0.2)
    assert list(read_seeds(each)["verdict"]) == ["cannot tell", "helps", "helps"]
    assert list(pd.read_csv(coverage)["covered"]) == pytest.approx([2 / 3, 2 / 3])
    said = capsys.readouterr().out
    assert "f1, 1 differences under 3 seeds" in said and "hold the mean over seeds in 66.7% (right ones: 98.4%)" in said


def test_what_cannot_be_replicated_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="no difference under any of the seeds 1, 2"):
        gather_seeds(seeds([row(NONE)], [row(NONE)]))
    with pytest.raises(SystemExit):
        command.main(["--differences", "x.csv", "--config", "{}", "--out", "a", "--seeds", "b", "--coverage", "c"])
    assert "expected SEED=PATH" in capsys.readouterr().err
