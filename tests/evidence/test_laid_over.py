"""Pictures laid over each other many at once say what they say one by one, and nearly at once where there is nothing to say."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib.cohort.reduced import SIDE, reduce_images
from scripts.lib.evidence import laid_over
from scripts.lib.evidence.laid_over import CLOSE, correlation, rough_correlations
from scripts.lib.evidence.picture_codes import CUTS, WHOLE
from tests.helpers.leakage_films import CHANGES, phantom


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Return (n, SIDE, SIDE) twice: a copy of each kind of one film, and as many other films, against that film."""
    films = [phantom(number) for number in range(len(CHANGES))]
    copies = reduce_images(np.stack([change(film) for change, film in zip(CHANGES.values(), films)]))
    own = reduce_images(np.stack(films))
    return np.concatenate([own, own]), np.concatenate([copies, np.roll(own, 1, axis=0)])


@pytest.mark.parametrize("cut", [WHOLE, 1, 7, len(CUTS) - 1])
@pytest.mark.parametrize("mirror", [False, True])
def test_many_at_once_say_what_each_says_alone(
    pairs: tuple[np.ndarray, np.ndarray], cut: int, mirror: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = pairs
    rough = rough_correlations(large, small, cut, mirror)
    exact = np.array([correlation(one, other, cut, mirror)[0] for one, other in zip(large, small)])
    assert np.abs(rough - exact).max() < CLOSE / 4 and np.median(np.abs(rough - exact)) < 1e-4
    # Several films of these are worth a search and several are not, whatever the cut.
    assert (exact >= laid_over.PROMISING).sum() > 0
    monkeypatch.setattr(laid_over, "TOGETHER", 3)
    assert np.abs(rough_correlations(large, small, cut, mirror) - rough).max() < 1e-4


def test_a_copy_is_found_where_it_lies_and_a_stranger_is_none(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    large, small = pairs
    names = list(CHANGES)
    place = CUTS.index((4, 4))  # 5 % off every border
    rough = rough_correlations(large, small, place, False)
    assert rough[names.index("5 % off every border")] > 0.97
    assert rough[len(names) :].max() < 0.9  # other films


def test_nothing_and_pictures_of_one_grey_value() -> None:
    none = np.zeros((0, SIDE, SIDE), np.uint8)
    assert rough_correlations(none, none, WHOLE, False).shape == (0,)
    flat = np.full((2, SIDE, SIDE), 7, np.uint8)
    film = reduce_images(phantom(1)[None])
    for one, other in ((flat[:1], film), (film, flat[:1]), (flat[:1], flat[1:])):
        assert rough_correlations(one, other, WHOLE, False).tolist() == [0.0]
        assert correlation(one[0], other[0], WHOLE, False)[0] == pytest.approx(0, abs=1e-9)
