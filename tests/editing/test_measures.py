"""What is measured of an edit, by hand on films of a few pixels."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.lib.editing import measures


def films(*rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, np.uint8)


BEFORE = films([[10, 10], [10, 10]], [[0, 0], [0, 0]])
AFTER = films([[10, 18], [4, 10]], [[0, 0], [0, 0]])
REGION = np.array([[[True, True], [False, False]], [[True, False], [False, False]]])


def test_change_in_grey_levels():
    """0, 8, 6, 0: 14 / 4; outside of the upper row 6 and 0: 6 / 2; 8 is a change, 6 is none; 8 of 14 lie inside."""
    assert measures.change(BEFORE, AFTER).tolist() == [3.5, 0.0]
    assert measures.change(BEFORE, AFTER, REGION).tolist() == [3.0, 0.0]
    assert measures.changed_share(BEFORE, AFTER).tolist() == [0.25, 0.0]
    found = measures.inside_share(BEFORE, AFTER, REGION)
    assert found[0] == pytest.approx(8 / 14) and np.isnan(found[1])


def test_what_has_no_outside_or_no_region_is_no_number():
    whole = np.ones_like(REGION)
    assert np.isnan(measures.change(BEFORE, AFTER, whole)).all()
    assert np.isnan(measures.inside_share(BEFORE, AFTER, ~whole)).all()


def test_ssim_is_1_for_the_same_film_and_follows_its_formula_for_flat_ones():
    """Flat films of 100 and 120 have no variance: (2 * 100 * 120 + c) / (100^2 + 120^2 + c), c = 2.55^2 = 6.5025."""
    stream = np.random.default_rng(1)
    noise = stream.integers(0, 256, (2, 16, 16), dtype=np.uint8)
    assert measures.ssim(noise, noise) == pytest.approx([1, 1])
    assert measures.ssim(noise, 255 - noise).max() < 0
    flat = np.full((1, 16, 16), 100, np.uint8)
    assert measures.ssim(flat, flat + np.uint8(20)) == pytest.approx([24006.5025 / 24406.5025])


def test_the_laplacian_of_one_bright_pixel():
    """A pixel of 1 in the middle of 5 x 5: -4 there and 1 at four neighbours, so (16 + 4) / 25."""
    dot = np.zeros((1, 5, 5), np.uint8)
    dot[0, 2, 2] = 1
    assert measures.sharpness(dot) == pytest.approx([0.8])
    assert measures.sharpness_change(dot, 2 * dot) == pytest.approx([2.0])  # 4 times as large
    assert np.isnan(measures.sharpness_change(dot, 0 * dot)).all()


def test_a_film_is_made_as_sharp_as_its_edit_and_keeps_what_it_shows():
    stream = np.random.default_rng(2)
    film = (128 + 20 * stream.standard_normal((2, 32, 32))).clip(0, 255).astype(np.uint8)
    wanted = ((film.astype(float) - 128) * [[[1.3]], [[0.8]]] + 128).round().astype(np.uint8)
    made = measures.as_sharp(film, wanted)
    assert measures.sharpness(made) == pytest.approx(measures.sharpness(wanted), rel=0.02)
    assert (measures.as_sharp(film, film) == film).all()
    flat = np.full((1, 8, 8), 7, np.uint8)
    assert (measures.as_sharp(flat, film[:1, :8, :8]) == flat).all()


def test_the_rank_of_the_own_film():
    """Film 0 is edited: films 1 (its own child) and 2 are as like or liker. The own child's does not count: place 2."""
    gallery = np.eye(3, dtype=np.float32)
    gallery[1] = gallery[2] = [0.6, 0.8, 0.0]
    codes = np.array([[0.6, 0.8, 0.0], [0.0, 0.0, 0.0]], np.float32)
    assert measures.ranks(codes[:1], gallery, np.array([0]), np.array(["a", "a", "b"])).tolist() == [2]
    assert measures.ranks(codes[:1], gallery, np.array([2]), np.array(["a", "b", "b"])).tolist() == [1]


def test_codes_of_films_know_neither_brightness_nor_contrast():
    stream = np.random.default_rng(3)
    film = stream.integers(50, 100, (1, 36, 36), dtype=np.uint8)
    codes = measures.pixel_codes(np.concatenate([film, film * np.uint8(2) + np.uint8(9), np.zeros_like(film)]))
    assert codes[0] @ codes[1] == pytest.approx(1, abs=1e-4) and not codes[2].any()
