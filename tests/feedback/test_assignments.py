"""Sets dealt to raters: fair and complete, in orders of their own, and what cannot be dealt."""

import json
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.assignments import deal_sets

SETTINGS = {"images": 4, "shared_share": 0.2, "repeat_share": 0.1}


def table_of(counts):
    kinds = [kind for kind, many in counts.items() for _ in range(many)]
    return pd.DataFrame({"set_id": [f"set-{k:04d}" for k in range(len(kinds))], "kind": kinds})


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 5),
    st.tuples(st.integers(0, 25), st.integers(0, 9), st.integers(0, 9), st.integers(0, 4)),
    st.floats(0, 1),
    st.floats(0, 0.5),
)
def test_deals_are_fair_and_complete(raters, counts, shared_share, repeat_share):
    sets = table_of(dict(zip(("text", "mask", "both", "control"), counts)))
    if not len(sets):
        return
    names = [f"r{k}" for k in range(raters)]
    chosen = {"images": 4, "shared_share": shared_share, "repeat_share": repeat_share}
    dealt = deal_sets(sets, names, chosen, 3)
    total = sum(counts[:3])
    assert set(dealt["set_id"]) == set(sets["set_id"])
    own = [((dealt["rater"] == name) & (dealt["role"] == "own")).sum() for name in names]
    assert max(own) - min(own) <= 1 and sum(own) == total - round(shared_share * total)
    for _, seen in dealt.groupby("rater"):
        assert seen["place"].tolist() == list(range(len(seen)))
        assert (seen["role"] == "shared").sum() == round(shared_share * total)
        assert (seen["role"] == "control").sum() == counts[3]
        first = seen[seen["role"] != "repeat"].set_index("set_id")["place"]
        assert first.index.is_unique
        again = seen[seen["role"] == "repeat"].set_index("set_id")["place"]
        assert again.index.is_unique and (again > first[again.index]).all()
        assert len(again) == round(repeat_share * (len(first) - counts[3]))
        assert all(sorted(json.loads(order)) == [0, 1, 2, 3] for order in seen["order"])


def test_orders_differ_between_raters_and_repeats():
    dealt = deal_sets(table_of({"text": 60}), ["a", "b"], SETTINGS | {"shared_share": 1.0, "repeat_share": 0.5}, 3)
    one, other = (dealt[(dealt["rater"] == name) & (dealt["role"] == "shared")] for name in ("a", "b"))
    assert one["set_id"].tolist() != other["set_id"].tolist()
    repeats = dealt[(dealt["rater"] == "a") & (dealt["role"] == "repeat")].merge(one, on="set_id")
    assert (repeats["order_x"] != repeats["order_y"]).mean() > 0.8
    assert (repeats["place_x"] - repeats["place_y"]).min() > 15  # a quarter of the 60


def test_one_rater_sees_everything():
    dealt = deal_sets(table_of({"text": 10, "control": 2}), ["only"], SETTINGS, 3)
    assert Counter(dealt["role"]) == {"own": 8, "shared": 2, "control": 2, "repeat": 1}


@pytest.mark.parametrize(
    ("raters", "change", "complaint"),
    [
        (["a"], {"shared_share": 1.2}, "shared_share = 1.2: expected a share from 0 to 1"),
        (["a"], {"repeat_share": 0.6}, "repeat_share = 0.6: expected a share from 0 to 0.5"),
        (["a", "a"], {}, "given twice"),
        ([], {}, "no name given"),
        (["a\nb"], {}, "printable"),
    ],
)
def test_deals_that_cannot_be(raters, change, complaint):
    with pytest.raises(InputError, match=complaint):
        deal_sets(table_of({"text": 4}), raters, SETTINGS | change, 3)
