"""Copies of films are found whatever was done to them, and other films are not taken for copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.reduced import SIDE, inside, reduce_images, reduce_views
from scripts.lib.evidence import code_search, copies
from scripts.lib.evidence.code_search import CodeTable, band_keys, weak_turns
from scripts.lib.evidence.copies import Gallery, find_copies, find_copies_in_frames
from scripts.lib.evidence.picture_codes import codes_of, coefficients, mirrored, ranks, resampling, spread_of, standing
from scripts.lib.study.config import load_study
from tests.conftest import ROOT
from tests.helpers.leakage_films import CHANGES, FRAMES, phantom

LEAST = load_study([ROOT / "config.yaml"])["leakage"]["least_correlation"]
PLANTED = 20


def gallery(images: np.ndarray) -> Gallery:
    pictures = reduce_images(images)
    return Gallery([pictures], np.zeros(len(pictures), int), np.arange(len(pictures)))


def framed_gallery(images: np.ndarray) -> Gallery:
    views = reduce_views(images)
    return Gallery([views], np.zeros(len(views), int), np.arange(len(views)))


@pytest.fixture(scope="module")
def phantoms() -> np.ndarray:
    return np.stack([phantom(number) for number in range(60)])


def found_of(films: np.ndarray, change: Any, turned: bool) -> tuple[set[int], set[tuple[int, int]]]:
    """Return which of 20 planted copies were found among the other films, and what else was."""
    originals = np.arange(0, len(films), len(films) // PLANTED)[:PLANTED]
    copies = np.stack([change(films[number]) for number in originals])
    # The copies stand among films that have no copy on the other side.
    others = np.setdiff1d(np.arange(len(films)), originals)
    one, two = gallery(films[originals]), gallery(np.concatenate([copies, films[others]]))
    table = find_copies(two, one, LEAST) if turned else find_copies(one, two, LEAST)
    pairs = table[["learned", "tested"]] if turned else table[["tested", "learned"]]
    found = set(map(tuple, pairs.to_numpy().tolist()))
    right = {(number, number) for number in range(PLANTED)}
    return {number for number, _ in found & right}, found - right


@pytest.mark.parametrize("turned", [False, True], ids=["the learned film is the copy", "the tested film is the copy"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_20_planted_and_20_found_among_phantom_films(phantoms: np.ndarray, change: Any, turned: bool) -> None:
    found, false = found_of(phantoms, change, turned)
    assert found == set(range(PLANTED)) and false == set()


@pytest.mark.parametrize("turned", [False, True], ids=["the learned film is the copy", "the tested film is the copy"])
@pytest.mark.parametrize("change", FRAMES.values(), ids=FRAMES.keys())
def test_a_frame_hides_no_copy(phantoms: np.ndarray, change: Any, turned: bool) -> None:
    copies = framed_gallery(np.stack([change(film) for film in phantoms[:PLANTED]]))
    films = framed_gallery(phantoms)
    table = find_copies_in_frames(films, copies, LEAST) if turned else find_copies_in_frames(copies, films, LEAST)
    assert table["tested"].tolist() == table["learned"].tolist() == list(range(PLANTED))


def test_films_without_a_frame_are_looked_at_once(phantoms: np.ndarray) -> None:
    one, two = phantoms[:30], np.concatenate([phantoms[:30, :, ::-1], phantoms[30:]])
    expected = find_copies(gallery(one), gallery(two), LEAST)
    assert not framed_gallery(two).framed().any()
    pd.testing.assert_frame_equal(find_copies_in_frames(framed_gallery(one), framed_gallery(two), LEAST), expected)
    framed = two.copy()
    framed[7, :, :10] = 0
    assert np.flatnonzero(framed_gallery(framed).framed()).tolist() == [7]


def test_what_counts_as_a_frame() -> None:
    film = np.random.default_rng(1).integers(0, 256, (40, 60)).astype(np.uint8)
    assert inside(film) == (0, 40, 0, 60)
    # Bars of 5 at the left, 7 at the right, and 3 black rows above, which reach from bar to bar.
    framed = np.pad(film, ((3, 0), (0, 0)))
    framed = np.pad(framed, ((0, 0), (5, 7)), constant_values=255)
    assert inside(framed) == (3, 43, 5, 65)
    noisy = framed.copy()
    noisy[:, :5] -= 10  # JPEG leaves a few grey values
    noisy[::2, 0] += 4
    assert inside(noisy) == (3, 43, 5, 65)
    noisy[0, 0] -= 20
    assert inside(noisy)[2] == 0
    assert inside(np.zeros((40, 60), np.uint8)) == (0, 40, 0, 60)  # all frame
    spot = np.zeros((40, 60), np.uint8)
    spot[10:20, 10:50] = film[:10, :40]  # a quarter of the height: a picture of a spot, no film in a frame
    assert inside(spot) == (0, 40, 0, 60)


def real(folder: Path, source: list[str], tmp_path: Path) -> tuple[np.ndarray, pd.DataFrame]:
    from scripts.lib.cohort.prepare import prepare_cohort
    from scripts.lib.cohort.store import Cohort

    config = {
        "format": "folder",
        "reader": {"table": "labels.csv", "where": {"source": source}},
        "labels": ["pneumonia"],
        "split": {"test": 0.4},
        "structures": [],
    }
    prepare_cohort("films", config, folder, 128, 1, tmp_path / "cohort")
    cohort = Cohort.open(tmp_path / "cohort")
    return cohort.images(slice(None)), cohort.index


@pytest.mark.early
@pytest.mark.parametrize(
    "source",
    [pytest.param(["nih", "ieee8023"], id="adults", marks=pytest.mark.long), pytest.param(["kermany"], id="children")],
)
def test_the_same_among_real_films(real_films: Path, tmp_path: Path, source: list[str]) -> None:
    images, _ = real(real_films, source, tmp_path)
    for name, change in CHANGES.items():
        found, false = found_of(images, change, turned=len(name) % 2 == 0)
        assert (name, found, false) == (name, set(range(PLANTED)), set())


@pytest.mark.early
@pytest.mark.parametrize("source", [["nih", "ieee8023"], ["kermany"]], ids=["adults", "children"])
def test_no_real_film_is_taken_for_another(real_films: Path, tmp_path: Path, source: list[str]) -> None:
    images, _ = real(real_films, source, tmp_path)
    table = find_copies(gallery(images), gallery(images), LEAST)
    assert (table["tested"] == table["learned"]).all() and len(table) == len(images)


def test_no_phantom_film_is_taken_for_another(phantoms: np.ndarray) -> None:
    table = find_copies(gallery(phantoms), gallery(phantoms), LEAST)
    assert table["tested"].tolist() == table["learned"].tolist() == list(range(len(phantoms)))
    assert (table["correlation"] == 1).all() and set(table["change"]) == {"same"}


def test_the_change_is_named(phantoms: np.ndarray) -> None:
    for name, words in (
        ("mirrored", "mirrored"),
        ("5 % off every border", "cut"),
        ("mirrored and cut", "mirrored and cut"),
    ):
        copies = np.stack([CHANGES[name](film) for film in phantoms[:8]])
        assert set(find_copies(gallery(phantoms[:8]), gallery(copies), LEAST)["change"]) == {words}, name
    same = find_copies(
        gallery(phantoms[:8]), gallery(np.stack([CHANGES["darker"](film) for film in phantoms[:8]])), LEAST
    )
    assert set(same["change"]) == {"same"}


def test_films_of_one_grey_value_are_copies_of_nothing(phantoms: np.ndarray) -> None:
    flat = np.stack([np.full_like(phantoms[0], grey) for grey in (0, 0, 7, 255)])
    assert find_copies(gallery(flat), gallery(flat), LEAST).empty
    assert find_copies(gallery(flat), gallery(phantoms[:4]), LEAST).empty


def test_nothing_against_nothing(phantoms: np.ndarray) -> None:
    none = gallery(phantoms)
    empty = Gallery(none.parts, none.part[:0], none.row[:0])
    assert find_copies(empty, none, LEAST).empty and find_copies(none, empty, LEAST).empty


def test_pictures_are_means_of_areas() -> None:
    # 128 pixels to 64: each picture pixel is the mean of 2 x 2: (0 + 2 + 4 + 7) / 4 = 3.25, rounded 3.
    image = np.zeros((1, 128, 128), np.uint8)
    image[0, :2, :2] = [[0, 2], [4, 7]]
    assert reduce_images(image)[0, 0, 0] == 3 and reduce_images(image).sum() == 3
    # 32 pixels to 64: each pixel stands four times.
    small = np.arange(32 * 32, dtype=np.uint8).reshape(1, 32, 32)
    assert np.array_equal(reduce_images(small)[0, ::2, ::2], small[0])
    assert np.array_equal(reduce_images(small)[0, 1::2, 1::2], small[0])
    # 96 to 64: pixel 1 covers half of pixel 1 and all of pixel 2: (0.5 * 30 + 60) / 1.5 = 50.
    wide = np.zeros((1, 96, 96), np.uint8)
    wide[0, :, 1], wide[0, :, 2] = 30, 60
    assert reduce_images(wide)[0, 0, :3].tolist() == [10, 50, 0]


def test_ranks() -> None:
    # 4095 pixels of 0 have the ranks 1 to 4095, their mean is 2048; the pixel of 9 has the rank 4096.
    picture = np.zeros((2, SIDE, SIDE), np.uint8)
    picture[1, 3, 4] = 9
    assert (ranks(picture)[0] == 2048.5).all() and ranks(picture)[1, 3, 4] == 4096 and ranks(picture)[1, 0, 0] == 2048
    films = reduce_images(np.stack([phantom(1), phantom(2)]) // 2)
    assert np.array_equal(ranks(films), ranks(films * 2 + 1))


def test_cosine_coefficients_of_a_wave_are_that_wave_alone() -> None:
    # The ranks of cos(pi * 3 * (x + .5) / 64) along a row rise and fall in straight lines. Such a wave of variance 1 has the
    # cosine of its own frequency with the factor 8 * sqrt(3) / pi^2 and that of three times it with a ninth of that:
    # 64 rows * 32 (the sum of cos^2) * (2 / 64) * 1.404 = 89.86.
    triangle = 64 * 8 * 3**0.5 / np.pi**2
    wave = np.cos(np.pi * 3 * (np.arange(SIDE) + 0.5) / SIDE)
    picture = np.rint(127.5 + 127 * np.tile(wave, (SIDE, 1))).astype(np.uint8)[None]
    found = coefficients(picture, cuts=False)[0, 0]
    assert np.sort(np.abs(found))[-1] == pytest.approx(triangle, rel=1e-3)
    assert np.sort(np.abs(found))[-2] == pytest.approx(triangle / 9, rel=0.02) and np.sort(np.abs(found))[-3] < 0.5
    # An odd wave along a row changes its sign in a mirror.
    assert np.allclose(coefficients(picture[:, :, ::-1], cuts=False)[0, 0], mirrored(found), atol=0.5)
    assert mirrored(found)[np.abs(found).argmax()] == -found[np.abs(found).argmax()]


def test_resampling_reads_a_part_of_a_side() -> None:
    assert np.allclose(resampling(0, 1), np.eye(SIDE))
    line = np.arange(SIDE, dtype=float)
    # Half of a side from its start: places (i + .5) / 2 - .5, so -0.25 (held at 0), 0.25, 0.75 ...
    assert (resampling(0, 0.5) @ line)[:3].tolist() == [0, 0.25, 0.75]


def test_codes_with_a_few_turned_bits_are_found_and_others_are_not() -> None:
    generator = np.random.default_rng(1)
    stand = generator.normal(size=(2000, 64)).astype(np.float32)
    stand /= np.linalg.norm(stand, axis=1, keepdims=True)
    turned = stand.copy()
    # The two least certain bits of each band change their sign.
    for band in range(code_search.BANDS):
        part = turned[:, 16 * band : 16 * band + 16]
        weak = np.argsort(np.abs(part), axis=1)[:, :2]
        np.put_along_axis(part, weak, -np.take_along_axis(part, weak, 1), 1)
    codes = codes_of(stand)
    assert (np.bitwise_count(codes ^ codes_of(turned)) == 8).all()
    query, row, cosine = CodeTable(codes, stand).near(codes_of(turned), turned)
    assert set(query[query == row].tolist()) == set(range(2000))
    assert (query == row).all() and cosine.min() >= code_search.LEAST_COSINE
    assert band_keys(np.array([0x1234_5678_9ABC_DEF0], np.uint64), 1).tolist() == [0x9ABC]


def test_memory_is_cut_into_pieces_without_losing_any(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    stand = generator.normal(size=(300, 64)).astype(np.float32)
    stand /= np.linalg.norm(stand, axis=1, keepdims=True)
    whole = CodeTable(codes_of(stand), stand).near(codes_of(stand), stand)
    monkeypatch.setattr(code_search, "AT_ONCE", 1)
    monkeypatch.setattr(code_search, "DECIDED", 1)
    pieces = CodeTable(codes_of(stand), stand).near(codes_of(stand), stand)
    assert all(np.array_equal(one, two) for one, two in zip(whole, pieces))


def test_the_search_finds_what_comparing_all_with_all_finds() -> None:
    generator = np.random.default_rng(5)
    stand = generator.normal(size=(250, 64))
    near = np.repeat(stand[:60], 4, axis=0) + generator.normal(size=(240, 64)) * generator.uniform(0.1, 0.6, (240, 1))
    stand, near = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (stand, near))
    stand, near = stand.astype(np.float32), near.astype(np.float32)
    codes, queries = codes_of(stand), codes_of(near)
    found = set(zip(*(part.tolist() for part in CodeTable(codes, stand).near(queries, near)[:2])))
    alike = (np.bitwise_count(queries[:, None] ^ codes) <= 15) & (near @ stand.T >= 0.87)
    shared = np.zeros_like(alike)
    for band in range(4):
        turned = band_keys(codes, band)[:, None] ^ weak_turns(stand, band)
        shared |= (band_keys(queries, band)[:, None, None] == turned).any(axis=2)
    expected = set(zip(*(part.tolist() for part in np.nonzero(alike & shared))))
    assert found == expected and 100 < len(found) < alike.sum() + 1


def test_pairs_do_not_depend_on_how_the_work_is_cut_up(phantoms: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = gallery(phantoms[:30]), gallery(np.concatenate([phantoms[:30, :, ::-1], phantoms[30:]]))
    whole = find_copies(one, two, LEAST)
    for name, value in (("TOGETHER", 7), ("BLOCK", 3), ("PAIRS", 2)):
        monkeypatch.setattr(copies, name, value)
    pd.testing.assert_frame_equal(find_copies(one, two, LEAST), whole)
    assert len(whole) == 30 and set(whole["change"]) == {"mirrored"}


def test_spread_and_standing() -> None:
    # Coefficients 1, 2, 6: median 2, mean of squared distances (1 + 0 + 16) / 3.
    spread = spread_of(np.repeat(np.array([[1.0], [2.0], [6.0]]), 64, axis=1))
    assert spread.middle[0] == 2 and spread.width[0] == pytest.approx((17 / 3) ** 0.5)
    assert np.linalg.norm(standing(np.full(64, 6.0, np.float32), spread)) == pytest.approx(1)
