"""What judges of phantom films compute: reduced films, contrast at an edge, a film left out in closed form."""

import numpy as np
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.truth import KernelJudge, MaskJudge, edge_contrast, reduce_films


def test_reduced_films_are_block_means():
    film = np.zeros((1, 64, 64), np.uint8)
    film[0, :2, :2] = [[40, 80], [120, 160]]  # the first block's mean is 100, all others' 0
    reduced = reduce_films(film)[0]
    assert reduced.shape == (1024,) and abs(reduced.mean()) < 1e-6 and abs(reduced.std() - 1) < 1e-5
    assert (reduced[1:] == reduced[1]).all() and reduced[0] > reduced[1]
    with pytest.raises(InputError, match="48 x 48 pixels: expected a square side that is a multiple of 32"):
        reduce_films(np.zeros((1, 48, 48), np.uint8))


def test_edge_contrast_by_hand():
    # Half the film is 100, half 200: deviation 50. Just outside the left half it is 100 brighter than just inside.
    film = np.full((32, 32), 100, np.uint8)
    film[:, 16:] = 200
    mask = np.zeros((32, 32), bool)
    mask[:, :16] = True
    assert edge_contrast(film, mask) == pytest.approx(2.0)
    assert edge_contrast(film, ~mask) == pytest.approx(-2.0)
    assert np.isnan(edge_contrast(film, np.ones((32, 32), bool)))


def test_leaving_a_film_out_in_closed_form_is_leaving_it_out():
    stream = np.random.default_rng(0)
    films = stream.normal(size=(24, 10)).astype(np.float32)
    truth = films[:, 0] > 0
    judge = KernelJudge.fit(films, truth)
    kernel = np.exp(-((films[:, None] - films[None]) ** 2).sum(2) / 10 / (2 * judge.width))
    target = np.where(truth, 1 / truth.mean(), -1 / (~truth).mean()) / 2
    rest = np.arange(24) != 5
    weights = np.linalg.solve(kernel[np.ix_(rest, rest)] + 0.1 * np.eye(23), target[rest])
    full = np.linalg.inv(kernel + 0.1 * np.eye(24))
    assert target[5] - judge.weights[5] / full[5, 5] == pytest.approx(kernel[5, rest] @ weights, rel=1e-4)


def test_too_few_films_are_not_judged():
    films = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    assert KernelJudge.fit(films, np.arange(20) < 7) is None


def test_masks_that_do_not_show_are_refused():
    films = np.random.default_rng(0).integers(0, 256, (40, 32, 32), dtype=np.uint8)
    fields = np.zeros((40, 32, 32), np.uint8)
    fields[:, 8:20, 8:20] = 1
    with pytest.raises(InputError, match=r"none of the structures \['heart'\] shows"):
        MaskJudge(films, fields, ["heart"])
