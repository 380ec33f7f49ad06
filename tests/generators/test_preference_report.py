"""The accuracy of a tuned generator and its interval: by hand, and held against simulated raters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.preference_report import refuse_shared, set_accuracy


def test_the_interval_by_hand() -> None:
    """Sets a (1, 1), b (0, 1), c (0, 0): mean 1/2 of 6 pairs; sums of differences 1, 0, -1; standard error
    sqrt(3/2 * 2) / 6 = 0.288675; t of 2 degrees of freedom at 97.5 % = 4.302653: 0.5 -+ 1.2421, cut to [0, 1]."""
    found = set_accuracy([1, 1, 0, 1, 0, 0], list("aabbcc"))
    assert (found.sets, found.pairs, found.accuracy, found.ci_low, found.ci_high) == (3, 6, 0.5, 0.0, 1.0)
    # The same 20 times over: 60 sets, sum of squares 40, error sqrt(60/59 * 40) / 120 = 0.0531494; t(59) = 2.0009954.
    many = set_accuracy([1, 1, 0, 1, 0, 0] * 20, [f"{name}{k}" for k in range(20) for name in "aabbcc"])
    assert (many.ci_low, many.ci_high) == pytest.approx((0.5 - 0.1063517, 0.5 + 0.1063517), abs=1e-6)


def test_sets_of_one_pair_give_the_interval_of_a_mean() -> None:
    from scipy import stats

    values = np.random.default_rng(1).random(30)
    found = set_accuracy(values, [str(k) for k in range(30)])
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.ci_low, found.ci_high) == pytest.approx((wanted.low, wanted.high))


def test_without_an_interval_the_note_says_why() -> None:
    one = set_accuracy([1, 0], ["a", "a"])
    assert np.isnan(one.ci_low) and one.note == "no interval: pairs of one set only"
    alike = set_accuracy([1, 0, 1, 0], ["a", "a", "b", "b"])
    assert np.isnan(alike.ci_high) and alike.note == "no interval: every set has the same share"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=2, max_size=40), st.randoms())
def test_order_does_not_matter_and_the_interval_holds_the_mean(pairs, random) -> None:
    found = set_accuracy([value for _, value in pairs], [str(name) for name, _ in pairs])
    random.shuffle(pairs)
    again = set_accuracy([value for _, value in pairs], [str(name) for name, _ in pairs])
    assert again.accuracy == pytest.approx(found.accuracy)
    if not np.isnan(found.ci_low):
        assert 0 <= found.ci_low <= found.accuracy <= found.ci_high <= 1
        assert (again.ci_low, again.ci_high) == pytest.approx((found.ci_low, found.ci_high))


def test_it_holds_the_truth_nineteen_times_in_twenty_where_sets_agree_with_themselves() -> None:
    """40 sets of 6 pairs that are all alike within a set, half of them right: an interval that counted 240 pairs would hold
    0.5 in some 58 % of draws (1.96 / sqrt(6) = 0.8 standard errors). Bounds: 5 standard errors of 1,000 draws."""
    stream, held = np.random.default_rng(2), 0
    names = [str(k) for k in range(40) for _ in range(6)]
    for _ in range(1000):
        found = set_accuracy(np.repeat(stream.integers(0, 2, 40), 6), names)
        held += found.ci_low <= 0.5 <= found.ci_high
    assert 0.915 < held / 1000 < 0.985


def test_a_set_in_two_parts_is_refused() -> None:
    refuse_shared(["a", "b"], ["c"], "report.jsonl")
    with pytest.raises(InputError, match=r"report.jsonl: set b \(1 in all\) has pairs in the other parts as well"):
        refuse_shared(["a", "b", "b"], ["c", "b"], "report.jsonl")
