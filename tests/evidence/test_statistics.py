"""Tests of the tests: the paper's two headline results, scipy as a reference, and everything that must not be tested."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.statistics import COLUMNS, compare, significance
from scripts.lib.evidence.trend import trend


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def make_trials(values, dataset="rsna", task="classification", metric="f1", fraction=0.1, arm="original"):
    """`values` {multiplier: list of trial values}; multiplier 0 is arm real. Trial t has seed 100 + t."""
    return pd.DataFrame(
        [
            {
                "dataset": dataset,
                "task": task,
                "metric": metric,
                "fraction": fraction,
                "arm": arm if multiplier else "real",
                "multiplier": multiplier,
                "trial": trial,
                "seed": 100 + trial,
                "n_real": 40,
                "n_synthetic": 40 * multiplier,
                "value": value,
            }
            for multiplier, row in values.items()
            for trial, value in enumerate(row)
        ]
    )


# The paper gives difference, interval and P. From the half width h and the t quantile q, the standard error is h / q:
# F1   h = 0.051345, q(df 2) = 4.302653 -> 0.01193334; two arms of two with SD s = 0.01193334: sqrt(s^2/2 + s^2/2) = s.
# Dice h = 0.037483, q(df 1) = 12.706205 -> 0.002949976; one constant arm, the other at +-e: SE = sqrt(2 e^2 / 2) = e.
S, E = 0.0119333358, 0.00294997608
F1_REAL = [0.3 - S / 2**0.5, 0.3 + S / 2**0.5]
DICE_REAL = [0.05, 0.05]


@pytest.mark.parametrize("test", ["welch", "pooled"])
def test_headline_f1_of_the_paper(test):
    found = compare(F1_REAL, [value + 0.150453 for value in F1_REAL], test)
    assert found.difference == pytest.approx(0.150453, abs=1e-9)
    assert (round(found.ci_low, 6), round(found.ci_high, 6)) == (0.099108, 0.201798)
    assert found.df == pytest.approx(2) and round(found.p_value, 4) == 0.0031


def test_headline_dice_of_the_paper():
    found = compare(DICE_REAL, [0.05 + 0.14575 - E, 0.05 + 0.14575 + E], "welch")
    assert found.difference == pytest.approx(0.14575, abs=1e-9)
    assert (round(found.ci_low, 6), round(found.ci_high, 6)) == (0.108267, 0.183233)
    assert found.df == pytest.approx(1) and round(found.p_value, 4) == 0.0064


def test_headline_dice_of_the_paper_as_a_paired_test():
    found = compare([0.05, 0.06], [0.05 + 0.14575 - E, 0.06 + 0.14575 + E], "paired")
    assert (round(found.ci_low, 6), round(found.ci_high, 6)) == (0.108267, 0.183233)
    assert found.df == 1 and round(found.p_value, 4) == 0.0064


VALUES = st.lists(st.integers(0, 1000).map(lambda number: number / 1000), min_size=2, max_size=6)


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES, st.sampled_from(["welch", "pooled"]))
def test_scipy_agrees_where_both_arms_vary(real, synthetic, test):
    if len(set(real)) == 1 or len(set(synthetic)) == 1:
        return
    found = compare(real, synthetic, test)
    reference = stats.ttest_ind(synthetic, real, equal_var=test == "pooled", alternative="greater")
    interval = stats.ttest_ind(synthetic, real, equal_var=test == "pooled").confidence_interval(0.95)
    assert found.statistic == pytest.approx(reference.statistic, rel=1e-9, abs=1e-9)
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-9)
    assert (found.df, found.ci_low, found.ci_high) == pytest.approx((reference.df, *interval), rel=1e-9, abs=1e-9)


def test_scipy_agrees_on_pairs():
    real, synthetic = [0.1, 0.3, 0.2], [0.4, 0.35, 0.5]
    found, reference = compare(real, synthetic, "paired"), stats.ttest_rel(synthetic, real, alternative="greater")
    assert (found.statistic, found.p_value, found.df) == pytest.approx((reference.statistic, reference.pvalue, 2))


def test_a_constant_arm_leaves_the_others_degrees_of_freedom():
    found = compare([0.1, 0.1, 0.1], [0.2, 0.3, 0.4], "welch")  # numpy's variance of three times 0.1 is not exactly 0
    assert found.df == 2 and found.statistic == pytest.approx(0.2 / (0.1 / 3**0.5))


@pytest.mark.parametrize(
    ("real", "synthetic", "test", "note"),
    [
        ([0.1, 0.1], [0.2, 0.2], "welch", "neither arm varies"),
        ([0.1, 0.1, 0.1], [0.3, 0.3, 0.3], "pooled", "neither arm varies"),
        ([0.1, 0.2], [0.2, 0.3], "paired", "differences of the pairs do not vary"),
        ([0.1], [0.2, 0.3], "welch", "one trial"),
        ([np.nan, 0.1], [0.2, np.nan], "paired", "no trial"),
        ([], [0.2, 0.3], "welch", "no trial"),
        ([0.1, 0.2], [np.nan, 0.3], "pooled", "one trial"),
    ],
)
def test_what_cannot_be_tested_says_so_and_has_no_p(real, synthetic, test, note):
    found = compare(real, synthetic, test)
    assert note in found.note and "not testable" in found.note
    assert np.isnan([found.p_value, found.ci_low, found.ci_high, found.statistic]).all()


def test_p_is_never_zero():
    found = compare([0.0, 1e-9] * 200, [1.0, 1 + 1e-9] * 200, "pooled")
    assert 0 < found.p_value < 1e-200


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="expected one of welch, pooled, paired"):
        compare([1, 2], [3, 4], "anova")
    with pytest.raises(InputError, match="expected one of setting, dataset, task, study"):
        significance(make_trials({0: [0.1, 0.2], 2: [0.3, 0.5]}), family="global")


def test_corrections_by_hand():
    values = {0: F1_REAL, 2: [0.33, 0.34], 5: [0.40, 0.42], 10: [v + 0.150453 for v in F1_REAL], 25: [0.2, 0.3]}
    table = significance(make_trials(values))
    assert list(table.columns) == COLUMNS and table["multiplier"].tolist() == [2, 5, 10, 25]
    assert set(table["family"]) == {"setting rsna 0.1 original"} and set(table["family_size"]) == {4}
    p = table["p_value"].to_numpy()
    assert table["p_bonferroni"].to_numpy() == pytest.approx(np.minimum(4 * p, 1))
    # Holm: the smallest P times 4, the next times 3, ... and never less than the one before.
    order = np.argsort(p)
    by_hand = np.minimum(np.maximum.accumulate(p[order] * [4, 3, 2, 1]), 1)
    assert table["p_holm"].to_numpy()[order] == pytest.approx(by_hand)
    # 4 * 0.0031161 = 0.0125 < 0.05
    assert table["significant"].tolist() == (np.minimum(4 * p, 1) < 0.05).tolist() and table["significant"].iloc[2]


def test_families():
    parts = [
        make_trials({0: [0.1, 0.2], 2: [0.3, 0.5], 5: [0.4, 0.5]}, name, task, metric, fraction)
        for name, task, metric in (
            ("rsna", "classification", "f1"),
            ("chexpert", "multilabel", "f1"),
            ("siim", "segmentation", "dice"),
        )
        for fraction in (0.01, 0.1, 1.0)
    ]
    trials = pd.concat(parts)
    sizes = {name: significance(trials, family=name) for name in ("setting", "dataset", "task", "study")}
    assert set(sizes["setting"]["family_size"]) == {2} and sizes["setting"]["family"].nunique() == 9
    assert set(sizes["dataset"]["family_size"]) == {6} and sizes["dataset"]["family"].nunique() == 3
    # Classification: RSNA and CheXpert, 2 datasets x 3 fractions x 2 multipliers = 12; segmentation: SIIM alone, 6.
    by_task = sizes["task"].groupby("family")["family_size"].first().to_dict()
    assert by_task == {"task classification": 12, "task segmentation": 6}
    assert set(sizes["study"]["family_size"]) == {18}


def test_missing_values_are_named_and_the_family_keeps_its_size():
    values = {0: [0.1, 0.15], 2: [0.3, np.nan], 5: [0.4, 0.5], 10: [0.2, 0.2]}
    table = significance(make_trials(values)).set_index("multiplier")
    assert set(table["family_size"]) == {3}
    assert "original: no value of trial 1" in table.loc[2, "note"] and "one trial" in table.loc[2, "note"]
    assert np.isnan(table.loc[2, "p_bonferroni"]) and not table.loc[2, "significant"]
    assert table.loc[5, "p_bonferroni"] == pytest.approx(3 * table.loc[5, "p_value"])
    assert table.loc[5, "note"] == ""


def test_a_cell_without_rows_or_without_real_trials_is_named():
    trials = make_trials({0: [0.1, 0.15], 2: [0.3, 0.5], 5: [0.4, 0.45]})
    gone = trials[~((trials["multiplier"] == 5) & (trials["trial"] == 0))]
    other = gone.assign(metric="auroc")
    only_auroc = pd.concat([gone[gone["multiplier"] != 2], other])
    table = significance(only_auroc, metrics=["f1"]).set_index("multiplier")
    assert set(table["family_size"]) == {2}
    assert "original: no value of trial 0, 1" in table.loc[2, "note"]
    assert "original: no value of trial 0" in table.loc[5, "note"]
    alone = significance(trials[trials["arm"] != "real"])
    assert alone["note"].str.contains("real: no value of trial 0, 1").all() and alone["p_value"].isna().all()


def test_paired_test_pairs_by_trial_whatever_the_order_of_rows():
    trials = make_trials({0: [0.1, 0.2, 0.3], 2: [0.2, 0.35, 0.38]})
    shuffled = trials.sample(frac=1, random_state=3)
    first, second = (significance(table, "paired") for table in (trials, shuffled))
    pd.testing.assert_frame_equal(first, second)
    expected = stats.ttest_rel([0.2, 0.35, 0.38], [0.1, 0.2, 0.3], alternative="greater").pvalue
    assert first["p_value"].iloc[0] == pytest.approx(expected)


def test_two_trials_with_one_seed_are_refused():
    trials = make_trials({0: [0.1, 0.2], 2: [0.3, 0.5]})
    with pytest.raises(InputError, match="seed 100 serves two trials, .*dataset rsna.*multiplier 0"):
        significance(trials.assign(seed=100))
    with pytest.raises(InputError, match="trial 0 is given twice"):
        significance(pd.concat([trials, trials.head(1).assign(seed=5)]))
    with pytest.raises(InputError, match="infinite"):
        significance(trials.assign(value=np.inf))
    with pytest.raises(InputError, match=r"no row with a metric of \['dice'\]; the table has \['f1'\]"):
        significance(trials, metrics=["dice"])


def test_trend_of_a_rising_metric():
    rising = make_trials({0: [0.1, 0.11], 2: [0.2, 0.21], 5: [0.3, 0.31], 10: [0.4, 0.41], 25: [0.5, 0.51]})
    row = trend(rising, ["f1"]).iloc[0]
    # Every trial ranks the four synthetic multipliers 1..4: L = 2 * (1 + 4 + 9 + 16) = 60; one order of 24 in each trial.
    assert row["page_l"] == 60 and row["p_value"] == pytest.approx(1 / 24**2)
    assert row["spearman"] > 0.97 and row["note"] == "" and row["multipliers"] == "2 5 10 25"


def test_trend_without_enough_to_go_by():
    rows = {0: [0.1, 0.11], 2: [0.2, np.nan], 5: [0.3, 0.31], 10: [0.4, 0.41]}
    row = trend(make_trials(rows)).iloc[0]
    assert "without trial 1" in row["note"] and "not testable" in row["note"] and np.isnan(row["p_value"])
    flat = trend(make_trials({0: [0.1, 0.2], 2: [0.1, 0.1], 5: [0.1, 0.1], 10: [0.1, 0.1]})).iloc[0]
    assert "not testable" in flat["note"] and np.isnan(flat["spearman"])
    # Real films alone are no dose: two synthetic multipliers are too few.
    short = trend(make_trials({0: [0.1, 0.11], 2: [0.2, 0.21], 5: [0.3, 0.31]})).iloc[0]
    assert "three synthetic multipliers" in short["note"] and np.isnan(short["p_value"])


def many_studies(stream, studies, trials, gain):
    """As many simulated studies as datasets of one table; `gain` {multiplier: gain in standard deviations of a trial}."""
    size = (studies, len(gain), trials)
    values = stream.normal(np.array(list(gain.values()))[None, :, None], 1, size)
    study, place, trial = (grid.ravel() for grid in np.indices(size))
    table = pd.DataFrame({"dataset": [f"d{k:03d}" for k in study], "multiplier": np.array(list(gain))[place]})
    fixed = {"task": "classification", "metric": "f1", "fraction": 0.1, "trial": trial, "seed": trial}
    return table.assign(**fixed, arm=np.where(table["multiplier"] > 0, "original", "real"), value=values.ravel())


@pytest.mark.parametrize("trials", [2, 5, 10])
def test_the_trend_test_holds_its_level_where_the_number_of_images_does_not_matter(trials):
    # Any number of synthetic images adds one standard deviation, the number itself nothing.
    table = many_studies(np.random.default_rng(7), 150, trials, {0: 0, 2: 1, 5: 1, 10: 1, 25: 1})
    rejected = (trend(table)["p_value"] < 0.05).sum()
    # At most 5 % of 150 is 7.5, with a standard deviation of at most sqrt(150 * .05 * .95) = 2.7: 7.5 + 3 * 2.7 = 15.
    assert 1 <= rejected <= 15


def test_the_trend_test_finds_a_trend():
    table = many_studies(np.random.default_rng(7), 50, 10, {0: 0, 2: 0, 5: 0.8, 10: 1.6, 25: 2.4})
    assert (trend(table)["p_value"] < 0.05).mean() > 0.9
