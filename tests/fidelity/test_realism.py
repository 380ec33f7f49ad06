"""The expert on looks: distances by hand, damage that it must notice, and its command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts import extract_features, score_realism
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.expert_files import read_expert
from scripts.lib.fidelity.experts import validate, vote
from scripts.lib.fidelity.realism import damaged, distances
from tests.helpers.fidelity_films import films, write_store

CONFIG = '{"nearest": 3, "batch_size": 16, "device": "cpu", "precision": "fp32"}'


def test_distances_by_hand() -> None:
    # Centre 2, spread sqrt((4 + 0 + 4) / 3) = 1.63299; the second feature says nothing and does not count.
    reference = np.array([[0.0, 7.0], [2.0, 7.0], [4.0, 7.0]])
    found = distances(np.array([[0.0, 9.0], [2.0, 7.0]]), reference, 2)
    assert found == pytest.approx([1 / 1.6329932, 1 / 1.6329932])  # (0 + 2) / 2 and (0 + 2) / 2
    assert distances(np.array([[6.0, 0.0]]), reference, 1) == pytest.approx([2 / 1.6329932])
    with pytest.raises(InputError, match="3 real films, fewer than fidelity.nearest = 4"):
        distances(reference, reference, 4)
    with pytest.raises(InputError, match="all real films have the same features"):
        distances(reference, np.ones((3, 2)), 1)


def test_damage_changes_every_film_and_is_the_same_each_time() -> None:
    some = films(8, "damage")
    worse = damaged(some)
    assert worse.shape == some.shape and worse.dtype == np.uint8 and (worse != some).any(axis=(1, 2)).all()
    assert (damaged(some) == worse).all()
    assert (np.roll(worse[2], (24, 24), (0, 1)) == some[2]).all()  # turned twice by half of 48 pixels


def test_the_command_tells_films_from_damaged_ones(tmp_path: Path) -> None:
    cohort = write_store(tmp_path / "cohort", films(200, "real"), ["train"] * 200, "r")
    mixed = np.concatenate([films(20, "mixed"), damaged(films(20, "worse"))])
    shards = [write_store(tmp_path / f"shard-{n}", part, ["train"] * 20, "i", True, first=20 * n) for n, part in enumerate(np.split(mixed, 2))]  # fmt: skip
    files = [tmp_path / f"{folder.name}.npy" for folder in (cohort, *shards)]
    for folder, file in zip((cohort, *shards), files):
        extract_features.main(["--store", str(folder), "--name", "x", "--networks", "random", "--config", CONFIG, "--out", str(file)])  # fmt: skip
    words = ["--pool", *map(str, shards), "--pool-features", *map(str, files[1:]), "--cohort", str(cohort)]
    words += ["--cohort-features", str(files[0]), "--config", CONFIG]
    words += ["--out", str(tmp_path / "images.parquet"), "--out-films", str(tmp_path / "films.parquet")]
    score_realism.main([*words, "--split", "train", "--network", "random"])
    names = pd.Series([f"i{place}" for place in range(40)])
    expert = read_expert("realism", tmp_path / "images.parquet", tmp_path / "films.parquet", names)
    table = validate(expert, 0.9, 0.5)
    assert table["votes"].all() and table["films"].iloc[0] == table["others"].iloc[0] == 100
    votes = vote(expert, table)
    assert votes[:20].mean() >= 0.7 and votes[20:].mean() <= 0.5
    with pytest.raises(InputError, match="trials are tested on films of split test"):
        score_realism.main([*words, "--split", "test", "--network", "random"])
    with pytest.raises(InputError, match="no film of split validate"):
        score_realism.main([*words, "--split", "validate", "--network", "random"])
    with pytest.raises(InputError, match="folder: realism must compute features"):
        score_realism.main([*words, "--split", "train", "--network", "folder:here"])
