"""Copies are found, strangers are not taken for copies, and the verdict says no more than the films allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import (
    calibrate_memorisation,
    draw_nearest,
    drop_copies,
    match_films,
    measure_memorisation,
    refuse_copies,
)
from scripts.lib.cohort.learned import films_learned, write_learned
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.fidelity.matching import SearchedFilms
from scripts.lib.fidelity.memorisation import FAILS, PASSES, UNDECIDED, CopyGate
from scripts.lib.fidelity.planted import KINDS, planted
from scripts.lib.fidelity.thumbnails import thumbnails
from tests.helpers.fidelity_films import SIDE, as_table, films, write_store

SETTINGS = '{"candidates": 8, "planted": 20, "alpha": 0.01, "percentile": 99}'
TAUGHT, HELD = 120, 240
NETWORKS = ("pixels", "random")


def teachers(folder: Path) -> list[str]:
    return ["--generator", str(folder / "model"), "--datasets", "toy"]


def extract(store: Path, outs: list[Path]) -> None:
    """Write thumbnails, and a fixed random projection of them as features: what any network does, without one."""
    small = thumbnails(Cohort.open(store).images(slice(None)))
    weights = np.random.default_rng(0).standard_normal((small[0].size, 64))
    outs[0].parent.mkdir(parents=True, exist_ok=True)
    np.save(outs[0], small)
    np.save(outs[1], (small.reshape(len(small), -1) @ weights).astype(np.float32))


def write_results(folder: Path, learned: np.ndarray, held: np.ndarray) -> Path:
    """Write results/toy with films of split generator, which taught, and of split test, which did not; and its floor."""
    images = np.concatenate([learned, held])
    splits = ["generator"] * len(learned) + ["test"] * len(held)
    store = write_store(folder / "toy" / "cohort", images, splits, "f")
    extract(store, [folder / "toy" / "features" / f"{name}.npy" for name in NETWORKS])
    cohort = Cohort.open(store)
    write_learned(folder / "model", [films_learned(cohort, cohort.rows(split="generator"), "base")])
    calibrate_memorisation.main(
        [
            *["--results", str(folder), *teachers(folder), "--features", "random"],
            *["--config", SETTINGS, "--out", str(folder / "floor.parquet")],
        ]
    )
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("results"), films(TAUGHT, "taught"), films(HELD, "held"))


def match(results: Path, store: Path, features: list[Path], out: Path) -> None:
    """Match a shard with the films that taught the toy generator; `features`: its thumbnails and its random features."""
    match_films.main(
        [
            *["--pool", str(store), "--results", str(results), *teachers(results), "--features", "random"],
            *["--pool-pixels", str(features[0]), "--pool-features", str(features[1])],
            *["--config", SETTINGS, "--out", str(out)],
        ]
    )


def pool(results: Path, folder: Path, images: np.ndarray, count: int = 1) -> dict[str, list[Path]]:
    """Write a pool in shards with its tables of nearest films."""
    made: dict[str, list[Path]] = {"pool": [], "nearest": []}
    first = 0
    for number, part in enumerate(np.array_split(images, count)):
        store = write_store(folder / f"shard-{number}", part, ["train"] * len(part), "s", True, first)
        outs = [folder / f"{name}-{number}.npy" for name in NETWORKS]
        extract(store, outs)
        nearest = folder / f"nearest-{number}.parquet"
        match(results, store, outs, nearest)
        made["pool"].append(store)
        made["nearest"].append(nearest)
        first += len(part)
    return made


def memorisation(results: Path, nearest: list[Path], out: Path) -> Any:
    measure_memorisation.main(
        [
            *[
                "--nearest",
                *map(str, nearest),
                "--floor",
                str(results / "floor.parquet"),
                "--config",
                SETTINGS,
                *teachers(results),
            ],
            *["--dataset", "toy", "--arm", "mine", "--fraction", "1", "--out", str(out)],
        ]
    )
    return as_table(out).set_index("measure")


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_of_twenty_planted_copies_are_found(results: Path, tmp_path: Path, kind: str) -> None:
    learned = films(TAUGHT, "taught")
    images = np.concatenate([films(180, "fresh"), planted(kind, learned[:20])])
    made = pool(results, tmp_path, images)
    nearest = pd.concat(map(pd.read_parquet, made["nearest"])).set_index("image_id")
    gate = CopyGate.of(pd.read_parquet(results / "floor.parquet"), 99)
    copies = nearest.loc[[f"s{number}" for number in range(180, 200)]]
    assert list(copies["film"]) == [f"f{number}" for number in range(20)]
    assert gate.copies(copies["similarity"].to_numpy()).sum() == 20
    assert copies["mirrored"].all() if kind == "flipped" else not copies["mirrored"].any()
    strangers = nearest.loc[[f"s{number}" for number in range(180)]]
    assert gate.copies(strangers["similarity"].to_numpy()).mean() < 0.05
    table = memorisation(results, made["nearest"], tmp_path / "m.csv")
    assert (table["verdict"] == FAILS).all()
    assert table["value"]["near_copies"] >= 0.1 and table["low"]["near_copies"] > table["floor_high"]["near_copies"]


def test_fresh_images_pass_and_copies_are_known_to_be_found(results: Path, tmp_path: Path) -> None:
    made = pool(results, tmp_path, films(200, "fresh"))
    table = memorisation(results, made["nearest"], tmp_path / "m.csv")
    assert (table["verdict"] == PASSES).all()
    assert {f"found_{kind}" for kind in KINDS} < set(table.index)
    assert (table.loc[[f"found_{kind}" for kind in KINDS], "value"] == 1).all()
    likeness = table.loc["likeness"]
    assert likeness["low"] <= likeness["value"] <= likeness["high"]
    assert abs(likeness["value"] - likeness["floor"]) < 0.05
    assert table["n"]["near_copies"] == 200


def test_a_generator_that_knows_twenty_films_by_heart_fails(tmp_path: Path) -> None:
    # A stand-in: each image is one of its 20 films, half as sharp, with grain.
    learned = films(20, "twenty")
    results = write_results(tmp_path / "results", learned, films(HELD, "held"))
    drawn = np.random.default_rng(3).integers(0, 20, 120)
    made = pool(results, tmp_path / "pool", planted("redrawn", learned[drawn]))
    table = memorisation(results, made["nearest"], tmp_path / "m.csv")
    assert (table["verdict"] == FAILS).all() and table["value"]["near_copies"] > 0.95


def test_one_training_film_among_many_images_is_enough_to_fail(results: Path, tmp_path: Path) -> None:
    images = np.concatenate([films(150, "fresh"), films(TAUGHT, "taught")[7:8]])
    table = memorisation(results, pool(results, tmp_path, images)["nearest"], tmp_path / "m.csv")
    assert table["verdict"]["same_film"] == FAILS
    assert table["value"]["same_film"] == pytest.approx(1 / 151, abs=1e-6)
    assert "1 images are training films themselves" in table["note"]["same_film"]


def test_few_held_out_films_leave_it_undecided(tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", films(TAUGHT, "taught"), films(60, "held"))
    made = pool(results, tmp_path / "pool", films(120, "fresh"))
    table = memorisation(results, made["nearest"], tmp_path / "m.csv")
    assert (table["verdict"] == UNDECIDED).all()
    assert "60 held-out films, fewer than 200" in table["note"]["near_copies"]


def test_shards_and_their_order_change_no_byte(results: Path, tmp_path: Path) -> None:
    images = np.concatenate([films(100, "fresh"), films(TAUGHT, "taught")[:5]])
    tables, kept, pictures = set(), set(), set()
    for count in (1, 2, 7):
        made = pool(results, tmp_path / str(count), images, count)
        for step in (1, -1):
            out = tmp_path / f"{count}{step}"
            out.mkdir()
            common = ["--nearest", *map(str, made["nearest"][::step]), "--floor", str(results / "floor.parquet")]
            stores = ["--pool", *map(str, made["pool"][::step])]
            memorisation(results, made["nearest"][::step], out / "m.csv")
            drop_copies.main([*stores, *common, "--config", SETTINGS, "--out", str(out / "distinct.parquet")])
            draw_nearest.main(
                [
                    *[*stores, *common, "--results", str(results), *teachers(results)],
                    *["--config", SETTINGS, "--out", str(out / "nearest.png")],
                ]
            )
            tables.add((out / "m.csv").read_bytes())
            kept.add((out / "distinct.parquet").read_bytes())
            pictures.add((out / "nearest.png").read_bytes())
    assert len(tables) == len(kept) == len(pictures) == 1
    left = pd.read_parquet(out / "distinct.parquet")
    assert not set(left["image_id"]) & {f"s{number}" for number in range(100, 105)}


def test_bad_features_of_a_pool_are_one_line(results: Path, tmp_path: Path) -> None:
    made = pool(results, tmp_path, films(40, "fresh"))
    pixels, features = (tmp_path / f"{name}-0.npy" for name in NETWORKS)
    good, bad, out = np.load(features), tmp_path / "bad.npy", tmp_path / "none.parquet"
    broken = good.copy()
    broken[3, 1] = np.nan
    for content, line in (
        (good[:, :-1], "of the training films; one network for both"),
        (good[:-1], "39 rows for 40 images"),
        (broken, r"NaN or infinite numbers \(1 of 40 rows\)"),
    ):
        np.save(bad, content)
        with pytest.raises(InputError, match=line):
            match(results, made["pool"][0], [pixels, bad], out)
    with pytest.raises(InputError, match="absent.npy"):
        match(results, made["pool"][0], [pixels, tmp_path / "absent.npy"], out)
    pd.read_parquet(made["nearest"][0]).assign(similarity=np.nan).to_parquet(tmp_path / "nan.parquet")
    with pytest.raises(
        InputError, match=r"nan.parquet: not a table of nearest films \(40 without likeness, first s0\); match it"
    ):
        memorisation(results, [tmp_path / "nan.parquet"], tmp_path / "m.csv")
    assert not out.exists()


def test_refusal_stops_with_the_reason(results: Path, tmp_path: Path) -> None:
    bad = pool(results, tmp_path / "bad", films(TAUGHT, "taught")[:100])
    memorisation(results, bad["nearest"], tmp_path / "bad.csv")
    with pytest.raises(InputError, match="training films themselves; look at nearest.png"):
        refuse_copies.main(["--table", str(tmp_path / "bad.csv"), "--out", str(tmp_path / "cleared.txt")])
    assert not (tmp_path / "cleared.txt").exists()
    good = pool(results, tmp_path / "good", films(200, "fresh"))
    memorisation(results, good["nearest"], tmp_path / "good.csv")
    refuse_copies.main(["--table", str(tmp_path / "good.csv"), "--out", str(tmp_path / "cleared.txt")])
    assert (tmp_path / "cleared.txt").read_text().startswith("passes")


def test_a_shifted_copy_is_found_whatever_else_is_there() -> None:
    learned = films(50, "shift")
    moved = np.roll(learned[:5], 2, axis=2)  # 2 of 48 pixels: 1.5 of a thumbnail
    found = SearchedFilms(thumbnails(learned)).nearest(thumbnails(moved), None, 8)
    assert found.film.tolist() == [0, 1, 2, 3, 4] and (found.similarity > 0.95).all()


def test_what_is_compared_at_once_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    learned, images = thumbnails(films(90, "a")), thumbnails(films(33, "b"))
    features = [np.random.default_rng(n).standard_normal((n, 20)).astype(np.float32) for n in (90, 33)]
    whole = SearchedFilms(learned, features[0]).nearest(images, features[1], 4)
    monkeypatch.setattr("scripts.lib.fidelity.matching.QUERIES", 5)
    monkeypatch.setattr("scripts.lib.fidelity.matching.FILMS", 17)
    parts = SearchedFilms(learned, features[0]).nearest(images, features[1], 4)
    assert (whole.film == parts.film).all() and whole.similarity.tobytes() == parts.similarity.tobytes()
    assert whole.by_features and parts.by_features
    assert whole.by_features[1].tobytes() == parts.by_features[1].tobytes()
    # The nearest by features is that of the plain formula.
    apart = ((features[1][:, None] - features[0][None]) ** 2).sum(axis=2)
    assert (whole.by_features[0] == apart.argmin(axis=1)).mean() > 0.9
    assert (whole.by_features[1] >= np.sqrt(apart.min(axis=1)) - 1e-5).all()
    assert whole.by_features[1] == pytest.approx(np.sqrt(apart.min(axis=1)), rel=0.05)


def test_a_constant_image_resembles_nothing() -> None:
    grey = np.full((3, SIDE, SIDE), 120, np.uint8)
    found = SearchedFilms(thumbnails(films(20, "a"))).nearest(thumbnails(grey), None, 4)
    assert (found.similarity == 0).all()
    found = SearchedFilms(thumbnails(grey)).nearest(thumbnails(films(4, "a")), None, 4)
    assert (found.similarity == 0).all()


def test_features_of_another_length_are_refused(results: Path, tmp_path: Path) -> None:
    store = write_store(tmp_path / "shard", films(4, "x"), ["train"] * 4, "s", True)
    np.save(tmp_path / "p.npy", thumbnails(films(4, "x")))
    np.save(tmp_path / "r.npy", np.zeros((4, 9), np.float32))
    with pytest.raises(InputError, match="features of length 9, but 64 of the training films"):
        match(results, store, [tmp_path / "p.npy", tmp_path / "r.npy"], tmp_path / "n.parquet")
