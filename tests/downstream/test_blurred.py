"""Films that are blurred to teach a judge: each by its own width, alike each time, and their classes stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.lib.cohort.store import Cohort
from scripts.lib.downstream.blurred import BlurredFilms, blurred
from scripts.lib.downstream.data import films_of
from tests.helpers.class_models import LABEL, write_films


def test_films_are_blurred_by_widths_of_their_own_and_alike_each_time(tmp_path: Path):
    cohort = Cohort.open(write_films(tmp_path / "films", [0, 1, 0, 1, 0, 1]))
    plain = films_of(cohort, np.arange(6), "multilabel", [LABEL])
    assert blurred(plain, 0.0) is plain
    films = blurred(plain, 2.0)
    assert isinstance(films, BlurredFilms)
    assert ((films.widths >= 0) & (films.widths < 2)).all() and len(set(films.widths)) == 6
    places = np.array([4, 1])
    assert (films.images(places) == films.images(places)).all()
    assert (films.take(places).images(np.arange(2)) == films.images(places)).all()
    assert (films.targets(places) == plain.targets(places)).all()
    spread = [one.images(np.arange(6)).std(axis=(1, 2)) for one in (plain, films)]
    assert (np.argsort(spread[1] / spread[0]) == np.argsort(-films.widths)).all()  # the wider the smoother
    assert films.digest() != plain.digest() == films_of(cohort, np.arange(6), "multilabel", [LABEL]).digest()
