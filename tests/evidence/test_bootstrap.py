"""Intervals: variances and percentiles by hand, what few trials and few films do to them, and their simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import Design, coverage, simulate, truth
from scripts.lib.evidence.bootstrap import Interval, interval, spread
from scripts.lib.evidence.predicted import Member
from scripts.lib.evidence.resampling import point_scores

MANY = 10**6  # patients: draws are not widened


def test_variances_by_hand() -> None:
    # Two draws of two trials, (1, 2) and (3, 6): variances 2 and 8, mean 5; covariance 2 * 4 / 2 = 4. So 4 is shared and
    # 5 - 4 = 1 is one trial's own. Points 0 and 4 have variance 8, of which 1 is explained by the films: 7.
    found = spread(np.array([0.0, 4.0]), np.array([[1.0, 2.0], [3.0, 6.0]]))
    assert (found.shared, found.own, found.trials) == pytest.approx((4, 1, 7))
    assert found.error(2) == pytest.approx(np.sqrt(7 / 2 + 1 / 2 + 4))
    one = spread(np.array([0.3]), np.array([[1.0], [3.0]]))
    assert (one.shared, one.own) == pytest.approx((2, 0)) and np.isnan(one.trials)


def test_one_trial_gives_the_percentiles_of_its_draws() -> None:
    draws = (np.arange(-20, 981)[:, None] + 0.5) / 1000  # -.0195 to .9805, the first 20 below 0
    found = interval(np.array([0.48]), draws, MANY, np.random.default_rng(0))
    assert (found.low, found.high) == pytest.approx((0.0055, 0.9555), abs=1e-3)  # 2.5 % of 1,001 draws are 25
    assert found.p_harm == pytest.approx(20 / 1001) and found.p_two_sided == pytest.approx(2 * 21 / 1002)
    assert np.isnan(found.sd_trials)
    worse = interval(np.array([0.48]), draws, MANY, np.random.default_rng(0), smaller_is_better=True)
    assert worse.p_harm == pytest.approx(981 / 1001) and worse.p_two_sided == found.p_two_sided


def test_trials_that_differ_by_themselves_give_the_interval_of_student() -> None:
    # Films change nothing (draws 1e-4 wide), so the interval is mean +- t(2) * s / sqrt(3); s of .1, .2, .3 is .1.
    points = np.array([0.1, 0.2, 0.3])
    draws = points + np.random.default_rng(1).normal(scale=1e-5, size=(20000, 1))
    found = interval(points, draws, MANY, np.random.default_rng(0))
    half = stats.t.ppf(0.975, 2) * 0.1 / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), rel=0.01)
    assert found.sd_trials == pytest.approx(0.1, rel=1e-3)
    two = stats.ttest_1samp(points, 0).pvalue
    assert found.p_two_sided == pytest.approx(two, rel=0.02)


def test_few_patients_widen_and_bounds_hold() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.1, (20000, 1))
    many, few = (interval(np.array([0.5]), draws, count, np.random.default_rng(0)) for count in (MANY, 10))
    factor = stats.t.ppf(0.975, 9) / stats.norm.ppf(0.975) * np.sqrt(10 / 9)
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(factor, rel=1e-5)
    wide = interval(np.array([0.0, 1.0]), draws.repeat(2, 1), 50, np.random.default_rng(0), (0.0, 1.0))
    assert (wide.low, wide.high) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    draws = np.random.default_rng(0).normal(size=(500, 3))
    both = [interval(np.zeros(3), draws, 40, np.random.default_rng(8)) for _ in range(2)]
    assert both[0] == both[1] and isinstance(both[0], Interval)


@pytest.mark.parametrize(
    ("points", "draws", "note"),
    [
        ([np.nan], np.full((500, 1), np.nan), "no value"),
        ([0.5], np.where(np.arange(500)[:, None] < 99, 0.5, np.nan), "40 patients, of whose draws 99 have a value"),
        ([0.0, 0.0], np.zeros((500, 2)), "neither another film nor another trial"),
    ],
)
def test_no_interval_says_why(points: list[float], draws: np.ndarray, note: str) -> None:
    found = interval(np.array(points), draws, 40, np.random.default_rng(0))
    assert np.isnan([found.low, found.high, found.p_harm, found.p_two_sided]).all() and note in found.note


def test_draws_without_a_value_are_left_out() -> None:
    draws = np.random.default_rng(0).normal(0.5, 0.1, (1000, 2))
    holes = np.concatenate([draws, np.column_stack([np.full(300, np.nan), np.full(300, 9.0)])])
    clean, found = (interval(np.array([0.5, 0.6]), one, 40, np.random.default_rng(0)) for one in (draws, holes))
    assert found == clean


@pytest.mark.parametrize("metric", ["f1", "auroc", "dice"])
def test_the_truth_of_the_simulation_is_what_endless_films_and_trials_give(metric: str) -> None:
    design = Design(metric, 40, 4000, 0.4)
    made = simulate(design, np.random.default_rng(2))
    for arm, true in zip((("real", 0), ("original", 2)), truth(design)):
        values = [point_scores(made, Member("0.1", *arm, trial), "exclude")[metric] for trial in range(40)]
        assert np.mean(values) == pytest.approx(true, abs=0.025)  # a trial's value varies by .1: .1 / sqrt(40) = .016


@pytest.mark.parametrize("design", [Design("f1", 2, 30, 0.1), Design("dice", 5, 30, 0.4), Design("auroc", 5, 30, 0.1)])
def test_intervals_hold_the_truth_in_about_95_percent_of_studies(design: Design) -> None:
    """150 studies: a share of 93 to 97 % is seen with a binomial error of 2 %, so 88 % is three errors below 94 %."""
    found = coverage(design, 150, 300)
    for what, (ours, _, width) in found.items():
        assert 0.94 - 3 * np.sqrt(0.94 * 0.06 / 150) <= ours, what
        assert 0 < width < 1, what
    assert found["difference"][0] <= 1.0 and found["mean"][0] < 1.0 or design.trials == 2
