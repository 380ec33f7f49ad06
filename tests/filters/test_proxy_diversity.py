"""Diversity: Vendi score, distances and MS-SSIM against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scripts.lib.core.seeds import rng
from scripts.lib.filters.proxy.diversity import (
    distances,
    draw_pairs,
    grey_features,
    ms_ssim,
    pair_similarity,
    scales_that_fit,
    similarity_kernel,
    vendi,
)


def test_vendi_counts_what_differs() -> None:
    assert vendi(np.ones((5, 5))) == pytest.approx(1)  # all alike
    assert vendi(np.eye(7)) == pytest.approx(7)  # nothing alike
    two = np.kron(np.eye(2), np.ones((3, 3)))  # two kinds of three films each
    assert vendi(two) == pytest.approx(2)
    # Shares 3/4 and 1/4: exp(-(3/4 ln 3/4 + 1/4 ln 1/4)) = 4 / 3^(3/4).
    assert vendi(np.array([[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1.0]])) == pytest.approx(4 / 3**0.75)


def test_kernel_of_equal_and_of_far_films() -> None:
    same = np.zeros((4, 4))
    assert vendi(similarity_kernel(same, 0.0)) == pytest.approx(1)
    far = 1e3 * (1 - np.eye(4))
    assert vendi(similarity_kernel(far, 1.0)) == pytest.approx(4)
    assert similarity_kernel(np.array([[0.0, 2.0]]), 2.0)[0, 1] == pytest.approx(np.exp(-0.5))


def test_distances_are_root_mean_squared_differences() -> None:
    found = distances(np.array([[0.0, 0.0], [0.3, 0.4], [0.3, 0.4]]))
    assert found[0, 1] == pytest.approx(np.sqrt(0.25 / 2))
    assert found[1, 2] == pytest.approx(0, abs=1e-7)
    assert (np.diag(found) == 0).all()


def test_features_are_block_means() -> None:
    image = np.zeros((1, 32, 32), np.uint8)
    image[0, :2, :2] = [[255, 0], [0, 255]]
    features = grey_features(image)
    assert features.shape == (1, 256)
    assert features[0, 0] == pytest.approx(0.5)
    assert features[0, 1:].sum() == 0


def test_ms_ssim_of_a_film_with_itself_its_negative_and_a_shift_of_grey() -> None:
    film = torch.from_numpy(rng("film").random((1, 1, 64, 64)))
    assert float(ms_ssim(film, film)) == pytest.approx(1)
    assert float(ms_ssim(film, 1 - film)) == pytest.approx(0, abs=1e-6)  # structure is inverted
    # Flat films of 0.25 and 0.75: contrast is 1, luminance (2 * .1875 + c1) / (.625 + c1), on the last scale alone,
    # whose weight of three is .3001 / (.0448 + .2856 + .3001).
    flat = torch.full((1, 1, 64, 64), 0.25, dtype=torch.float64)
    expected = ((0.375 + 1e-4) / (0.625 + 1e-4)) ** (0.3001 / 0.6305)
    assert float(ms_ssim(flat, flat + 0.5)) == pytest.approx(expected, rel=1e-6)


def test_scales_that_fit() -> None:
    assert [scales_that_fit(side) for side in (16, 32, 64, 128, 176, 512)] == [1, 2, 3, 4, 5, 5]


def test_pairs() -> None:
    assert draw_pairs(3, 10, rng("p")).tolist() == [[0, 1], [0, 2], [1, 2]]
    some = draw_pairs(30, 20, rng("p"))
    assert len(some) == len({tuple(pair) for pair in some.tolist()}) == 20
    assert (some[:, 0] < some[:, 1]).all()


def test_pair_similarity_is_a_mean_over_batches() -> None:
    images = rng("images").integers(0, 256, (4, 32, 32)).astype(np.uint8)
    pairs = draw_pairs(4, 10, rng("p"))
    single = [pair_similarity(images, pair[None]) for pair in pairs]
    assert pair_similarity(images, pairs, at_once=4) == pytest.approx(np.mean(single))
