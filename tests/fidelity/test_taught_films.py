"""Which films taught a generator, and which are held out: by its own list, patient by patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.learned import films_learned, not_known, write_learned
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.sources import taught, unknown_teachers
from tests.helpers.fidelity_films import films, write_store


def test_films_of_a_taught_patient_are_not_held_out(tmp_path: Path) -> None:
    store = write_store(tmp_path / "toy" / "cohort", films(6, "p"), ["generator"] * 3 + ["test"] * 3, "f")
    index = pd.read_parquet(store / "index.parquet")
    index["patient_id"] = pd.array(["a", "b", "c", "a", "d", "e"], dtype="string")
    index.to_parquet(store / "index.parquet", index=False)
    films_list = [
        films_learned(Cohort.open(store), np.arange(3), "base"),
        films_learned(Cohort.open(store), np.array([4]), "raters"),
        films_learned(Cohort.open(store), np.array([5]), "search"),
    ]
    write_learned(tmp_path / "model", films_list)
    learned, others = taught(tmp_path / "model", tmp_path, ["toy"])
    # f3 is another film of f0's patient; raters scored images made from f4's mask, and a search was scored on f5: the generator never saw their pixels.
    assert list(learned.index["image_id"]) == ["f0", "f1", "f2"] and list(others.index["image_id"]) == ["f4", "f5"]
    assert unknown_teachers(tmp_path / "model", ["toy"]) == ""


def test_teachers_come_from_the_generators_own_list_and_what_it_does_not_say_is_told(tmp_path: Path) -> None:
    # The split says nothing: the second film of split `test` taught the generator, and those of split `generator` did not.
    store = write_store(tmp_path / "toy" / "cohort", films(6, "p"), ["generator"] * 3 + ["test"] * 3, "f")
    own = films_learned(Cohort.open(store), np.array([4]), "base")
    write_learned(tmp_path / "model", [own, own.assign(dataset="other"), not_known("controlnet")])
    learned, others = taught(tmp_path / "model", tmp_path, ["toy"])
    assert list(learned.index["image_id"]) == ["f4"] and len(others) == 5
    assert unknown_teachers(tmp_path / "model", ["toy"]) == (
        "the films that taught it in role controlnet are not known and 1 of its films are of other, which are not here, so copies "
        "of them are not found"
    )
    with pytest.raises(InputError, match="model: no film of elsewhere is in its learned_from.parquet"):
        taught(tmp_path / "model", tmp_path, ["elsewhere"])
    assert "role generator are not known" in unknown_teachers(tmp_path / "nowhere", ["toy"])
