"""What votes come to: agreement of two experts by hand, and diversity of images that are copies of each other or are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.fidelity.vote_effects import AGREEMENT, DIVERSITY, agreement, diversity
from tests.helpers.fidelity_films import films, write_store

NAN = np.nan
CELL = {"dataset": "toy", "arm": "mine", "fraction": "1"}
MOST = {"images": 200, "pairs": 500}


def test_two_experts_are_held_against_each_other_where_both_have_voted() -> None:
    votes = {"a": np.array([1, 1, 0, 0, NAN]), "b": np.array([1.0, 0, 0, 0, 1]), "c": np.ones(5)}
    table = agreement(votes, CELL)
    assert list(table.columns) == AGREEMENT
    assert list(zip(table["expert"], table["other"])) == [("a", "b"), ("a", "c"), ("b", "c")]
    first = table.iloc[0]
    # 3 of 4 alike. By chance: yes of a 2/4, of b 1/4, so 2/4 * 1/4 + 2/4 * 3/4 = 1/2; kappa = (3/4 - 1/2) / (1 - 1/2)
    assert first[["images", "both", "neither", "agree", "kappa"]].tolist() == [4, 1, 2, 0.75, 0.5]
    # Clopper and Pearson, 3 of 4: 0.1941 to 0.9937
    assert first[["low", "high"]].tolist() == pytest.approx([0.1941, 0.9937], abs=1e-4)
    # c says yes of all: a agrees in 2 of 4, which is what chance gives
    assert table.iloc[1][["images", "agree", "kappa"]].tolist() == [4, 0.5, 0]


def test_experts_of_one_opinion_have_no_kappa() -> None:
    table = agreement({"a": np.ones(3), "b": np.ones(3), "c": np.full(3, NAN)}, CELL)
    assert table["images"].tolist() == [3, 0, 0] and table["kappa"].isna().all()
    assert table["agree"].tolist()[0] == 1 and table["agree"].isna().tolist() == [False, True, True]
    assert agreement({"a": np.ones(3)}, CELL).empty


def test_diversity_falls_where_copies_are_kept(tmp_path: Path) -> None:
    pixels = films(30, "votes")
    pixels[10:] = pixels[10]  # 10 different images, and 20 times another one
    pool = Cohort.open(write_store(tmp_path / "pool", pixels, ["train"] * 30, "i", True))
    chosen = np.arange(30) >= 10
    table = diversity(pool, pool.labels, chosen, MOST, CELL, 1).set_index("label")
    assert list(table.reset_index()[DIVERSITY].columns) == DIVERSITY
    whole = table.loc["all"]
    assert whole[["images", "kept", "compared"]].tolist() == [30, 20, 20]
    assert whole["vendi_kept"] == pytest.approx(1) and whole["vendi"] > 2  # 20 equal images are one in effect
    assert whole["distance_kept"] == pytest.approx(0) and whole["ms_ssim_kept"] == pytest.approx(1)
    assert whole["ms_ssim"] < 1 and whole["distance"] > 0
    # every second image shows pneumonia: 15 of 30, and 10 of the 20 that are kept
    assert table[["images", "kept"]].values.tolist() == [[30, 20], [15, 10], [15, 10]]
    assert table.index.tolist() == ["all", "pneumonia", "normal"]


def test_one_kept_image_is_compared_with_none(tmp_path: Path) -> None:
    pool = Cohort.open(write_store(tmp_path / "pool", films(4, "votes"), ["train"] * 4, "i", True))
    table = diversity(pool, [], np.array([True, False, False, False]), MOST, CELL, 1)
    assert table["label"].tolist() == ["all", "normal"] and table["compared"].tolist() == [1, 1]
    assert table["vendi"].isna().all() and table["vendi_kept"].isna().all()
