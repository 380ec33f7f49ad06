"""The table of fidelity: the same bytes however a pool is cut, floors beside values, and a line for what cannot be said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import extract_features, measure_fidelity
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.chosen import choose, halves
from scripts.lib.fidelity.features import read_features
from tests.helpers.fidelity_films import SIDE, as_table, films, write_store

EXTRACT = '{"batch_size": 16, "device": "cpu", "precision": "fp32"}'
CONFIG = '{"images": 1000, "nearest": 5}'


def extract(store: Path, out: Path) -> Path:
    """Write a fixed random projection of the pixels as features: what any network does, without one."""
    images = Cohort.open(store).images(slice(None)).reshape(-1, SIDE * SIDE).astype(float)
    weights = np.random.default_rng(0).standard_normal((SIDE * SIDE, 64))
    np.save(out, (images @ weights).astype(np.float32))
    return out


def extract_given(store: Path, out: Path, networks: str) -> Path:
    extract_features.main(
        ["--store", str(store), "--name", "toy/cohort", "--networks", networks, "--config", EXTRACT, "--out", str(out)]
    )
    return out


def measured(pool: list[Path], features: list[Path], cohort: Path, theirs: Path, out: Path, *more: str) -> Any:
    measure_fidelity.main(
        [
            *["--pool", *map(str, pool), "--cohort", str(cohort), "--networks", "random"],
            *["--pool-features", *map(str, features), "--cohort-features", str(theirs), "--splits", "test"],
            *["--dataset", "toy", "--arm", "mine", "--fraction", "1", "--config", CONFIG, "--out", str(out), *more],
        ]
    )
    return as_table(out)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("toy")
    splits = ["test"] * 160 + ["train"] * 40
    cohort = write_store(folder / "cohort", films(200, "real"), splits, "f")
    return {"cohort": cohort, "films": extract(cohort, folder / "films.npy"), "folder": folder}


def shards(folder: Path, images: np.ndarray, count: int) -> tuple[list[Path], list[Path]]:
    stores, features, first = [], [], 0
    for number, part in enumerate(np.array_split(images, count)):
        stores.append(write_store(folder / f"shard-{number}", part, ["train"] * len(part), "s", True, first))
        features.append(extract(stores[-1], folder / f"random-{number}.npy"))
        first += len(part)
    return stores, features


def test_one_two_and_seven_shards_in_any_order_give_the_same_bytes(toy: dict[str, Path], tmp_path: Path) -> None:
    images = films(90, "synthetic")
    found = set()
    for count in (1, 2, 7):
        stores, features = shards(tmp_path / str(count), images, count)
        for step in (1, -1):
            out = tmp_path / f"{count}{step}.csv"
            measured(stores[::step], features[::step], toy["cohort"], toy["films"], out)
            found.add(out.read_bytes())
    assert len(found) == 1


def test_images_of_the_same_kind_are_as_near_as_the_floor(toy: dict[str, Path], tmp_path: Path) -> None:
    stores, features = shards(tmp_path, films(90, "same"), 1)
    table = measured(stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv").set_index("measure")
    assert list(table.index) == ["fid_plain", "fid", "kid", "precision", "recall", "density", "coverage"]
    assert (table["n"] == 80).all() and (table["dimensions"] == 64).all()  # halves of 160 test films
    kid = table.loc["kid"]
    assert kid["low"] < kid["floor_high"] and kid["floor_low"] < kid["high"]
    assert kid["low"] < 0 < kid["high"] and kid["floor_low"] < 0 < kid["floor_high"]
    assert abs(table["value"]["precision"] - table["floor"]["precision"]) < 0.25
    assert table["against"].unique() == ["toy: test"]


def test_images_of_another_kind_are_farther_than_the_floor(toy: dict[str, Path], tmp_path: Path) -> None:
    stores, features = shards(tmp_path, np.uint8(films(90, "dark") * 0.6), 1)
    table = measured(stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv").set_index("measure")
    assert table["low"]["kid"] > table["floor_high"]["kid"]
    assert table["value"]["fid"] > 3 * abs(table["floor"]["fid"])
    assert table["value"]["coverage"] < table["floor"]["coverage"]


def test_fid_with_too_few_films_for_its_features_is_not_given(toy: dict[str, Path], tmp_path: Path) -> None:
    stores, features = shards(tmp_path, films(60, "few"), 1)
    table = measured(stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv").set_index("measure")
    # (64 + 2) x 20 / 19 = 69.5: 70 films, so that leaving a twentieth out still leaves more films than features
    assert np.isnan(table["value"]["fid"]) and "FID of 64 features needs 70 films" in table["note"]["fid"]
    assert np.isfinite(table["value"]["kid"])


def test_fewer_films_than_a_measure_needs_are_a_note_and_no_number(toy: dict[str, Path], tmp_path: Path) -> None:
    stores, features = shards(tmp_path, films(30, "few"), 1)
    table = measured(stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv")
    assert table["value"].isna().all() and table["floor"].isna().all()
    assert table["note"].str.startswith("30 on each side, fewer than the 40 that a number needs").all()
    pd.DataFrame({"image_id": pd.array(["nobody"], dtype="string")}).to_parquet(tmp_path / "kept.parquet")
    nobody = ("--kept", str(tmp_path / "kept.parquet"))
    table = measured(stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv", *nobody)
    assert set(table["note"]) == {"0 on each side, fewer than the 40 that a number needs; add films or splits"}


def test_constant_images_are_named(toy: dict[str, Path], tmp_path: Path) -> None:
    stores, features = shards(tmp_path, np.full((50, SIDE, SIDE), 90, np.uint8), 1)
    table = measured(stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv")
    assert table["note"].str.contains("all images have the same features").all()
    grey = write_store(tmp_path / "grey", np.full((160, SIDE, SIDE), 90, np.uint8), ["test"] * 160, "g")
    theirs = extract(grey, tmp_path / "grey.npy")
    table = measured(stores, features, grey, theirs, tmp_path / "u.csv")
    assert table["value"].isna().all() and table["note"].str.contains("all films have the same features").all()


def test_a_network_that_chose_may_not_judge(toy: dict[str, Path], tmp_path: Path) -> None:
    stores, features = shards(tmp_path, films(60, "any"), 1)
    table = measured(stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv", "--barred", "random")
    assert table["value"].isna().all() and table["note"].str.contains("may not judge them").all()


@pytest.mark.parametrize(
    ("label", "note"), [(1, "other mixture: pneumonia 100% of images, "), (None, "pneumonia is known of no image")]
)
def test_another_mixture_of_labels_is_said(toy: dict[str, Path], tmp_path: Path, label: int | None, note: str) -> None:
    images = films(60, "positive")
    store = write_store(tmp_path / "shard", images, ["train"] * 60, "s", True)
    pd.read_parquet(store / "index.parquet").assign(
        pneumonia=pd.array([label] * 60, dtype="Int8")
    ).to_parquet(store / "index.parquet", index=False)  # fmt: skip
    table = measured([store], [extract(store, tmp_path / "f.npy")], toy["cohort"], toy["films"], tmp_path / "t.csv")
    assert table["note"].str.contains(note).all()


def test_bad_features_are_one_line(toy: dict[str, Path], tmp_path: Path) -> None:
    stores, features = shards(tmp_path, films(60, "any"), 1)

    def fault(content: np.ndarray) -> str:
        path = tmp_path / "bad.npy"
        np.save(path, content)
        with pytest.raises(InputError) as error:
            measured(stores, [path], toy["cohort"], toy["films"], tmp_path / "t.csv")
        assert not (tmp_path / "t.csv").exists()
        return str(error.value)

    good = np.load(features[0])
    broken = good.copy()
    broken[7, 3] = np.nan
    assert "holds NaN or infinite numbers (1 of 60 rows)" in fault(broken)
    assert "features of length 63, but 64 in" in fault(good[:, :63])
    assert "59 rows for 60 images" in fault(good[:59])
    for other in (
        good[:, 0],
        good.reshape(60, 8, 8),
        good[:, :0],
        good.astype(int),
        good.astype(complex),
        good.astype(str),
    ):
        assert "expected floating numbers, (images, features)" in fault(other)
    assert "bad.npy: holds 1e+30, beyond 1e+15" in fault(np.where(good == good[2, 2], np.float32(1e30), good))
    (tmp_path / "kept.txt").write_text("s0")
    with pytest.raises(InputError, match="kept.txt: not a list of what was kept .*; filter the pool anew"):
        measured(
            stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv", "--kept", str(tmp_path / "kept.txt")
        )
    with pytest.raises(InputError, match="2 and 1 files, expected 1 and 1"):
        measured(stores, features * 2, toy["cohort"], toy["films"], tmp_path / "t.csv")
    (tmp_path / "bad.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="bad.npy: not a readable array"):
        measured(stores, [tmp_path / "bad.npy"], toy["cohort"], toy["films"], tmp_path / "t.csv")


def test_a_split_without_films_is_named(toy: dict[str, Path], tmp_path: Path) -> None:
    stores, features = shards(tmp_path, films(60, "any"), 1)
    with pytest.raises(InputError, match="no film of split validate; correct fidelity.splits"):
        measured(
            stores, features, toy["cohort"], toy["films"], tmp_path / "t.csv", "--splits", "validate"
        )  # fmt: skip


def test_given_features_come_from_a_folder(toy: dict[str, Path], tmp_path: Path) -> None:
    wanted = np.random.default_rng(0).standard_normal((200, 5))
    with pytest.raises(InputError, match="no such folder"):
        extract_given(toy["cohort"], tmp_path / "o.npy", f"folder:{tmp_path / 'absent'}")
    (tmp_path / "given" / "toy").mkdir(parents=True)
    place = f"folder:{tmp_path / 'given'}"
    with pytest.raises(InputError, match="toy/cohort.npy: no such file; expected features of the 200 images"):
        extract_given(toy["cohort"], tmp_path / "o.npy", place)
    for bad, line in (
        (wanted[:150], "150 rows, expected 200"),
        (wanted[:, 0], r"shape \(200,\)"),
        (np.where(wanted == wanted[4, 4], np.inf, wanted), "row 4 holds NaN or infinite"),
        (np.where(wanted == wanted[4, 4], -1e300, wanted), r"holds 1e\+300, beyond 1e\+15"),
    ):
        np.save(tmp_path / "given" / "toy" / "cohort.npy", bad)
        with pytest.raises(InputError, match=line):
            extract_given(toy["cohort"], tmp_path / "o.npy", place)
    np.save(tmp_path / "given" / "toy" / "cohort.npy", wanted)
    found = np.load(extract_given(toy["cohort"], tmp_path / "o.npy", place))
    assert found.dtype == np.float32 and (found == wanted.astype(np.float32)).all()


def test_halves_share_no_patient(toy: dict[str, Path]) -> None:
    chosen = choose([toy["cohort"]], [toy["films"]], [])
    chosen.index["patient_id"] = [f"p{number // 3}" for number in range(len(chosen))]
    first, second = halves(chosen)
    assert not set(first.index["patient_id"]) & set(second.index["patient_id"])
    assert abs(len(first) - len(second)) <= 3 and len(first) + len(second) == 200
    groups = first.groups
    by_patient = first.index.assign(group=groups).groupby("patient_id")["group"].nunique()
    assert (by_patient == 1).all()


def test_read_features_joins_stores_in_order(tmp_path: Path) -> None:
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.full((3, 2), number, np.float32))
    paths = [tmp_path / "1.npy", tmp_path / "0.npy"]
    assert read_features(paths)[:, 0].tolist() == [1, 1, 1, 0, 0, 0]
    assert read_features(paths, [np.array([0]), np.array([1, 2])])[:, 0].tolist() == [1, 0, 0]
