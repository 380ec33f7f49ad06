"""The benchmark of shuffled masks deals masks out among films of other patients."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.shuffled import dealt_places


@pytest.mark.parametrize("sizes", [[1, 1], [3, 3], [4, 1, 1, 2], [1] * 30, [5, 2, 2, 1], [2, 7, 7, 3, 1]])
def test_every_film_gets_the_masks_of_another_patient(sizes: list[int]) -> None:
    patients = np.repeat([f"p{k}" for k in range(len(sizes))], sizes)
    patients = patients[np.random.default_rng(sum(sizes)).permutation(len(patients))]
    for seed in range(5):
        places = dealt_places(patients, seed)
        assert sorted(places.tolist()) == list(range(len(patients)))  # each mask is used once
        assert (patients[places] != patients).all()
    assert len(sizes) < 30 or (dealt_places(patients, 0) != dealt_places(patients, 1)).any()


def test_one_patient_with_most_films_is_refused() -> None:
    # Three of five films: somebody of that patient would get a mask of its own.
    with pytest.raises(ValueError, match="patient a has more than half of 5 films"):
        dealt_places(np.array(["a", "a", "a", "b", "c"]), 1)
