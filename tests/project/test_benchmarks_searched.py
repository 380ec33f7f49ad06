"""The benchmark of the search compares the best settings with those of the configuration, seed by seed."""

from __future__ import annotations

import pandas as pd

from benchmarks.searched import COLUMNS, current, paired


def test_seeds_are_paired_and_one_that_is_alone_does_not_count() -> None:
    rows = [(1, "default", 0.030), (1, "best", 0.020), (2, "best", 0.031), (2, "default", 0.025), (3, "best", 0.001)]
    table = pd.DataFrame([[seed, name, "a", 600, kid, 0.0, 1.0, 9] for seed, name, kid in rows], columns=COLUMNS)
    # -0.010 and +0.006: mean -0.002, deviations of 0.008 on both sides, so sd = 0.008 sqrt(2) and sd / sqrt(2) = 0.008
    assert paired(table) == "best - default: -0.0020 +- 0.0080; lower in 1 of 2"


def test_a_row_of_another_search_is_made_again() -> None:
    rows = [[1, "default", "a", 600, 0.03, 0.0, 1.0, 9], [1, "best", "b", 600, 0.02, 0.0, 1.0, 9]]
    table = pd.DataFrame(rows, columns=COLUMNS)
    assert current(table, 1, "best", "b")["settings"].tolist() == ["default", "best"]
    assert current(table, 1, "best", "c")["settings"].tolist() == ["default"]
    assert len(current(table, 2, "best", "c")) == 2
