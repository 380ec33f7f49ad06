"""Which films a trial reads, and in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.subsets import set_aside
from scripts.lib.conditions.order import trial_rows
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.data import films_of
from scripts.lib.downstream.sampler import Mixture
from tests.helpers.downstream_films import LABELS, write_films


def test_the_pool_of_a_trial_is_its_own_rows_by_position() -> None:
    index = pd.DataFrame({"trial": [1, 1, 0, 1, 0, -1], "position": [3, 2, 1, 0, 0, 5]})
    # trial 1 sees rows 0, 1, 3 with positions 3, 2, 0: in order 3, 1, 0; an image of no trial (-1) serves none
    assert trial_rows(index, 1, 3).tolist() == [3, 1, 0]
    assert trial_rows(index, 1, 2).tolist() == [3, 1]
    assert trial_rows(index, 0, 2).tolist() == [4, 2]
    with pytest.raises(InputError, match="trial 1: 3 synthetic images, but 4"):
        trial_rows(index, 1, 4)


def test_targets_are_labels_with_gaps_or_masks(tmp_path: Path) -> None:
    cohort = write_films(tmp_path, 8)
    cohort.index.loc[3, "edema"] = pd.NA
    films = films_of(cohort, np.array([3, 1]), "multilabel", LABELS)
    assert films.labels is not None
    np.testing.assert_array_equal(films.labels, np.array([[np.nan, 1], [0, 1]], np.float32))
    masks = films_of(cohort, np.array([0, 1]), "segmentation", "lungs").targets(np.array([1, 0]))
    assert masks.sum(axis=(2, 3)).tolist() == [[36], [0]]  # film 1 has a 6 x 6 square, film 0 nothing
    with pytest.raises(InputError, match="no label 'fracture'"):
        films_of(cohort, np.array([0]), "classification", "fracture")
    with pytest.raises(InputError, match="no structure 'heart'"):
        films_of(cohort, np.array([0]), "segmentation", "heart")


def test_the_digest_follows_pixels_labels_and_order(tmp_path: Path) -> None:
    cohort = write_films(tmp_path, 8)
    films = films_of(cohort, np.array([1, 2]), "classification", "pneumonia")
    assert films.digest() == films.take(np.array([0, 1])).digest()
    assert films.digest() != films.take(np.array([1, 0])).digest()
    assert films.digest() != films_of(cohort, np.array([1, 2]), "classification", "edema").digest()


def test_validation_takes_whole_patients_and_leaves_one(tmp_path: Path) -> None:
    cohort = write_films(tmp_path, 20)  # ten patients with two films
    films = films_of(cohort, np.arange(20), "classification", "pneumonia")
    kept, held = set_aside(films.cohort.index, films.rows, 0.25, 1, 3)  # int(0.25 * 10) = 2 patients
    assert len(held) == 4
    assert sorted([*kept, *held]) == list(range(20))
    assert {place // 2 for place in held}.isdisjoint(place // 2 for place in kept)
    assert set_aside(films.cohort.index, films.rows, 0.25, 1, 3)[1].tolist() == held.tolist()
    assert len(set_aside(films.cohort.index, films.rows[:6], 0.25, 1, 3)[1]) == 0  # int(0.25 * 3) = 0
    assert len(set_aside(films.cohort.index, films.rows[:2], 0.5, 1, 3)[1]) == 0


def drawn(mixture: Mixture, steps: int) -> tuple[list[int], list[int]]:
    pairs = [mixture.batch(step) for step in range(steps)]
    return [int(r) for real, _ in pairs for r in real], [int(s) for _, made in pairs for s in made]


def test_concat_draws_every_film_once_a_pass() -> None:
    mixture = Mixture(3, 7, 5, "concat", 0.5, seed=1)
    real, made = drawn(mixture, 4)  # 20 draws = two passes over 10 films
    assert sorted(real) == sorted([0, 1, 2] * 2)
    assert sorted(made) == sorted([*range(7)] * 2)
    assert sorted(real[:3]) == [0, 1, 2]


def test_real_films_come_in_the_same_order_in_every_cell() -> None:
    alone, _ = drawn(Mixture(5, 0, 4, "concat", 0.5, seed=2), 10)
    for synthetic in (10, 25, 125):
        mixed, _ = drawn(Mixture(5, synthetic, 4, "concat", 0.5, seed=2), 10)
        assert mixed == alone[: len(mixed)]
    assert drawn(Mixture(5, 0, 4, "concat", 0.5, seed=3), 10)[0] != alone


def test_a_longer_pool_keeps_its_share() -> None:
    real, made = drawn(Mixture(10, 90, 20, "concat", 0.5, seed=1), 50)  # 1000 draws = ten passes
    assert (len(real), len(made)) == (100, 900)


def test_balanced_batches_have_a_fixed_share_of_real_films() -> None:
    mixture = Mixture(3, 40, 8, "balanced", 0.25, seed=1)
    for step in range(6):
        real, made = mixture.batch(step)
        assert (len(real), len(made)) == (2, 6)
    assert len(Mixture(3, 0, 8, "balanced", 0.25, seed=1).batch(0)[0]) == 8


@pytest.mark.parametrize("kind", ["concat", "balanced"])
def test_a_batch_is_a_function_of_the_step(kind: str) -> None:
    forward = Mixture(4, 9, 6, kind, 0.5, seed=5)
    batches = [forward.batch(step) for step in range(12)]
    late = Mixture(4, 9, 6, kind, 0.5, seed=5)
    for step in (11, 3, 7):
        for expected, found in zip(batches[step], late.batch(step)):
            np.testing.assert_array_equal(found, expected)


def test_an_epoch_counts_all_films() -> None:
    assert Mixture(10, 0, 4, "concat", 0.5, 1).steps_per_epoch == 3
    assert Mixture(10, 250, 4, "concat", 0.5, 1).steps_per_epoch == 65
