"""Images of a pool from elsewhere: every prefix has the shares of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib.pools.order import balanced_order, kinds_of


@pytest.mark.parametrize("sizes", [(10,), (5, 5), (90, 9, 1), (1, 1, 1), (37, 12)])
def test_every_prefix_has_the_shares_of_the_whole(sizes: tuple[int, ...]) -> None:
    kinds = np.repeat(np.arange(len(sizes)), sizes)
    order = balanced_order(kinds, 3)
    assert sorted(order) == list(range(len(kinds)))
    for length in range(1, len(kinds) + 1):
        found = np.bincount(kinds[order[:length]], minlength=len(sizes))
        # Within one image of a kind's share; rounding of one kind may shift another by as much.
        assert np.abs(found - length * np.array(sizes) / len(kinds)).max() <= 1.5


def test_another_seed_is_another_order_of_the_same_images() -> None:
    kinds = np.arange(40) % 2
    one, two = balanced_order(kinds, 1), balanced_order(kinds, 2)
    assert sorted(one) == sorted(two) and list(one) != list(two)
    np.testing.assert_array_equal(one, balanced_order(kinds, 1))
    assert len(balanced_order(np.zeros(0, np.int64), 1)) == 0


def test_the_first_image_is_not_always_of_the_same_kind() -> None:
    kinds = np.arange(40) % 2
    assert {int(kinds[balanced_order(kinds, seed)[0]]) for seed in range(20)} == {0, 1}


def test_kinds_are_combinations_of_values_and_unknown_is_one() -> None:
    nan = float("nan")
    kinds = kinds_of(np.array([[0, 1], [1, 0], [0, 1], [nan, 1], [nan, 1]]))
    assert kinds[0] == kinds[2] and kinds[3] == kinds[4] and len(set(kinds)) == 3
    assert len(kinds_of(np.zeros((0, 2)))) == 0
