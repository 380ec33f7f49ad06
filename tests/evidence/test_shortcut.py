"""What the source tells of the label, by hand, and images that are told from films."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import measure_shortcut
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.shortcut import COLUMNS, INFORMATION, SOURCE, LabelCounts, information_row, table
from tests.helpers.fidelity_films import as_table, films, write_store


def test_mutual_information_by_hand() -> None:
    # Label and source are the same thing: one bit, all of what there is to know.
    whole, entropy = LabelCounts(np.array([50, 0]), np.array([0, 50])).information()
    assert whole.value == pytest.approx(1.0) and entropy == pytest.approx(1.0) and whole.error == pytest.approx(0.0)
    # 60 films, 20 of them diseased, and 60 images, 40 of them: I = 1/3 log2(4/3) + 1/6 log2(2/3), twice.
    some, _ = LabelCounts(np.array([40, 20]), np.array([20, 40])).information()
    assert some.value == pytest.approx(2 * (np.log2(4 / 3) / 3 + np.log2(2 / 3) / 6)) and some.n == 120
    none, _ = LabelCounts(np.array([40, 20]), np.array([80, 40])).information()
    assert none.value == pytest.approx(0.0, abs=1e-12)


def test_what_chance_gives_is_the_floor() -> None:
    stream = np.random.default_rng(3)
    parts = [
        LabelCounts(np.bincount(stream.integers(0, 2, 80)), np.bincount(stream.integers(0, 2, 80))) for _ in range(400)
    ]
    row = information_row(parts[:1], "edema", 1)
    values = np.array([one.information()[0].value for one in parts])
    assert values.mean() == pytest.approx(row["floor"], rel=0.2)
    assert (values > row["floor_high"]).mean() == pytest.approx(0.05, abs=0.03)


def test_a_pool_in_which_every_image_is_diseased_is_told() -> None:
    row = information_row([LabelCounts(np.array([70, 30]), np.array([0, 200]))] * 2, "edema", 2)
    assert row["note"].startswith("every image shows edema, 30% of films do; the source tells ")
    assert row["positive_real"] == 0.3 and row["positive_synthetic"] == 1.0
    seen = {"measure": SOURCE, "label": "edema = 1", "low": 0.9, "floor_high": 0.6, "note": ""}
    made = table([row, seen], {"dataset": "toy", "arm": "mine", "fraction": "1"})
    assert list(made.columns) == COLUMNS
    assert made["note"][0].endswith("images are told from films, so a model may learn the source instead of edema")
    # The same mixture of images that nobody can tell from films is no shortcut.
    made = table([row, {**seen, "low": 0.52}], {"dataset": "toy", "arm": "mine", "fraction": "1"})
    assert "told from films" not in made["note"][0]
    assert information_row([LabelCounts(np.array([70, 30]), np.array([140, 60]))], "edema", 2)["note"] == ""
    # Where all films show it as well, nobody can tell the label by the source.
    assert information_row([LabelCounts(np.array([0, 30]), np.array([0, 60]))], "edema", 2)["note"] == ""


def measured(folder: Path, shift: float, diseased: float = 0.5, label: str = "pneumonia", size: int = 8) -> Any:
    """Measure a pool whose `size` features lie `shift` deviations from those of films, and of which a share is diseased."""
    stream = np.random.default_rng(11)
    store = write_store(folder / "cohort", films(240, "f"), ["train"] * 120 + ["test"] * 120, "f")
    pool = write_store(folder / "shard-0", films(120, "i"), ["train"] * 120, "i", True)
    index = pd.read_parquet(pool / "index.parquet")
    index["pneumonia"] = pd.array((np.arange(120) < 120 * diseased).astype(int)[stream.permutation(120)], "Int8")
    index.to_parquet(pool / "index.parquet", index=False)
    np.save(folder / "f.npy", stream.normal(size=(240, 8)).astype(np.float32))
    np.save(folder / "i.npy", stream.normal(shift, 1, (120, size)).astype(np.float32))
    ranks = pd.read_parquet(store / "index.parquet")[["image_id"]]
    ranks = ranks.assign(trial=0, rank=np.where(np.arange(240) < 60, 0.1, np.nan))
    ranks[:120].to_parquet(folder / "subsets.parquet", index=False)
    out = folder / "shortcut.csv"
    common = ["--pool", str(pool), "--cohort", str(store), "--subsets", str(folder / "subsets.parquet")]
    features = [
        "--pool-features",
        str(folder / "i.npy"),
        "--cohort-features",
        str(folder / "f.npy"),
        "--network",
        "random",
    ]
    cell = ["--dataset", "toy", "--arm", "mine", "--fraction", "0.5", "--splits", "train", "test"]
    measure_shortcut.main([*common, *features, *cell, "--labels", label, "--multipliers", "1", "2", "--trials", "1", "--out", str(out)])  # fmt: skip
    return as_table(out)


def test_images_that_look_like_films_are_not_told_from_them(tmp_path: Path) -> None:
    found = measured(tmp_path, 0.0)
    source = found[found["measure"] == SOURCE].set_index("label")
    assert (source["low"] < 0.55).all() and (source["value"] < 0.65).all()  # two of eight features may differ by chance
    assert list(found["multiplier"].dropna()) == [1, 2] and not found["note"].any()


def test_features_of_another_length_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="i.npy: features of length 5, but 8 in .*f.npy; one network for both"):
        measured(tmp_path, 0.0, size=5)


def test_other_images_are_told_from_films_and_a_shortcut_is_named(tmp_path: Path) -> None:
    found = measured(tmp_path, 2.0, diseased=1.0)
    source = found[found["measure"] == SOURCE].set_index("label")
    assert source["value"]["pneumonia = 1"] > 0.95 and source["floor_high"]["pneumonia = 1"] < 0.7
    assert source["note"]["pneumonia = 0"].startswith("0 images and 120 films; 40 images")
    told = found[found["measure"] == INFORMATION]["note"]
    assert told.str.contains("every image shows pneumonia, 50% of films do").all()
    assert told.str.contains("a model may learn the source instead of pneumonia").all()


def test_a_pool_of_masks_without_a_label_is_told_in_one_row(tmp_path: Path) -> None:
    found = measured(tmp_path, 0.0, label="lungs")
    assert list(found["label"]) == ["lungs"] and found["value"].isna().all()
    assert found["note"][0] == "images and films have no label lungs that the source could tell"
