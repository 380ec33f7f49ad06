"""Judges of images: they learn from real films alone, and one that knows what it sees finds out a generator that ignores its masks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import judge_pool, measure_faithfulness, train_judge
from scripts.lib.cohort.learned import read_learned
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.downstream import judged
from scripts.lib.downstream.judged import dice
from scripts.lib.downstream.judges import held_out
from scripts.lib.downstream.models import SmallUnetPlusPlus
from scripts.lib.fidelity.faithfulness import FAILS, PASSES
from scripts.lib.study.config import CONFIG_FILE, load_study
from scripts.lib.study.judging import Judging
from scripts.lib.study.study import Study
from tests.helpers.fidelity_films import as_table

SIDE = 32


def blob(stream: np.random.Generator) -> np.ndarray:
    """Return a mask: a disc in the left or the right half."""
    row, column, radius = stream.integers(8, 24), stream.choice([stream.integers(6, 12), stream.integers(20, 26)]), stream.integers(4, 6)  # fmt: skip
    y, x = np.ogrid[:SIDE, :SIDE]
    return np.asarray((y - row) ** 2 + (x - column) ** 2 <= radius**2)


def store(folder: Path, count: int, seed: int, synthetic: bool = False, shuffled: bool = False) -> Path:
    """Write films (every third without a disc) that show the disc of their mask, or with `shuffled` that of another film."""
    stream = np.random.default_rng(seed)
    masks = [blob(stream) & bool(place % 3) for place in range(count)]
    drawn = [masks[(place + 3) % count] for place in range(count)] if shuffled else masks
    with CohortWriter(
        folder, SIDE, ["nodule"], ["nodule"], {"dataset": "toy", "arm": "mine", "fraction": "1"}
    ) as writer:
        for place, (mask, shown) in enumerate(zip(masks, drawn)):
            image = np.clip(stream.normal(90, 15, (SIDE, SIDE)) + 80 * shown, 0, 255).astype(np.uint8)
            pool = {"condition_id": f"c{place}", "sample": 0, "trial": 0, "position": place} if synthetic else {}
            row = {"image_id": f"{seed}-{place}", "patient_id": f"p{place // 2}", "sha256": pixels_sha256(image)}
            split = "test" if place >= count - 10 and not synthetic else "train"
            writer.add(image, mask.astype(np.uint8), {**row, **pool, "split": split, "synthetic": synthetic, "nodule": int(mask.any())})  # fmt: skip
    return folder


def seen(model: Any, images: Cohort, rows: np.ndarray, _: Any) -> Iterator[np.ndarray]:
    """What a judge that has learned it says: a pixel of 130 or more is a disc (they have 170 +- 15, the others 90 +- 15)."""
    found = images.images(rows) >= 130
    masks = isinstance(model.body, SmallUnetPlusPlus)
    yield 2.0 * found - 1.0 if masks else found.mean((1, 2))[:, None] * 100 - 2.0


def settings(judge: str) -> dict[str, Any]:
    config = load_study([CONFIG_FILE], {"faithfulness": {"judge": {"steps": 2}}})
    found = Judging(Study(config)).settings(SimpleNamespace(judge=judge))
    return {**found, "precision": "fp32", "device": "cpu", "batch_size": 16}


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judges")
    common = ["--cohort", str(store(folder / "cohort", 340, 1)), "--split", "train", "--seed", "1"]
    common += ["--checkpoint-dir", str(folder / "checkpoints")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judged, "answers", seen)  # what is found on films that were held out
        for name, judge, more in (
            ("masks", "candid-generator-pneumothorax", ["--structure", "nodule"]),
            ("labels", "mimic-train-labels", []),
        ):
            own = ["--config", json.dumps(settings(judge)), "--out", str(folder / name)]
            train_judge.main([*common, *more, *own])
    return folder


def faithfulness(judge: Path, pool: list[Path], out: Path) -> Any:
    out.mkdir(exist_ok=True)
    common = ["--judge", str(judge), "--shows", "nodule", "--out"]
    shards = ["--pool", *map(str, pool), "--config", '{"device": "cpu", "precision": "fp32"}']
    judge_pool.main([*common, str(out / "judged.parquet"), *shards])
    cell = ["--dataset", "toy", "--arm", "mine", "--fraction", "1", "--config", '{"least": 0.5, "percentile": 5}']
    measure_faithfulness.main([*common, str(out / "f.csv"), *cell, "--judged", str(out / "judged.parquet")])
    return as_table(out / "f.csv").set_index("measure")


@pytest.mark.parametrize("kind", ["masks", "labels"])
def test_a_generator_that_ignores_its_masks_is_caught(
    judges: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(judged, "answers", seen)
    measure = "dice" if kind == "masks" else "auroc"
    good = faithfulness(judges / kind, [store(tmp_path / "good", 90, 2, True)], tmp_path / "1")
    assert good["verdict"][measure] == PASSES and good["floor"][measure] > 0.85
    # Image k shows what image k + 3 was asked for: the right label, since every third shows nothing, at the wrong place.
    wrong = faithfulness(judges / kind, [store(tmp_path / "wrong", 90, 2, True, True)], tmp_path / "2")
    assert wrong["verdict"][measure] == (FAILS if kind == "masks" else PASSES)
    if kind == "masks":
        assert wrong["value"]["dice"] < wrong["chance_high"]["dice"] + 0.15 and wrong["value"]["side"] < 0.75
        assert good["value"]["side"] > 0.9 and good["value"]["agree"] > wrong["value"]["agree"] + 0.3


def test_a_judge_learns_from_no_test_film_and_says_which_films_taught_it(judges: Path) -> None:
    cohort = Cohort.open(judges / "cohort")
    learned, held = read_learned(judges / "masks"), pd.read_parquet(judges / "masks" / "held.parquet")
    assert learned is not None and set(learned["role"]) == {"judge", "thresholds"} and len(learned) == 330
    # Films held out did not teach it, but they set the threshold of a filter.
    of_patients = {role: set(films["patient_id"]) for role, films in learned.groupby("role")}
    assert of_patients["thresholds"] == set(held["group"]) and not of_patients["thresholds"] & of_patients["judge"]
    assert (learned["role"] == "thresholds").sum() == len(held)
    test = set(cohort.index["image_id"][cohort.index["split"] == "test"])
    assert not test & set(learned["image_id"])
    common = ["--config", json.dumps(settings("mimic-train-labels")), "--seed", "1", "--checkpoint-dir", "/tmp/none", "--out", "/tmp/none"]  # fmt: skip
    for split, line in (
        ("test", "trials are tested on films of split test"),
        ("generator", "no film of split generator"),
    ):
        with pytest.raises(InputError, match=line):
            train_judge.main(["--cohort", str(judges / "cohort"), "--split", split, *common])


def test_shards_and_their_order_change_no_byte(judges: Path, tmp_path: Path) -> None:
    whole = store(tmp_path / "whole", 60, 3, True)
    images = Cohort.open(whole)
    parts = []
    for number, rows in enumerate((np.arange(0, 25), np.arange(25, 60))):
        with CohortWriter(tmp_path / f"part-{number}", SIDE, ["nodule"], ["nodule"], images.meta) as writer:
            for row in rows:
                writer.add(images.images([row])[0], images.masks([row])[0], images.index.iloc[row].to_dict())
        parts.append(tmp_path / f"part-{number}")
    found = []
    for number, pool in enumerate(([whole], parts, parts[::-1])):
        faithfulness(judges / "masks", pool, tmp_path / f"out-{number}")
        found.append((tmp_path / f"out-{number}" / "judged.parquet").read_bytes())
    assert found[0] == found[1] == found[2]


def test_what_does_not_fit_is_one_line(judges: Path, tmp_path: Path) -> None:
    pool = store(tmp_path / "pool", 30, 4, True)
    with pytest.raises(InputError, match="occurs twice; give each shard once"):
        faithfulness(judges / "masks", [pool, pool], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: not a judge"):
        faithfulness(tmp_path / "empty", [pool], tmp_path / "out")
    with pytest.raises(InputError, match="no label edema"):
        judge_pool.main(["--judge", str(judges / "labels"), "--pool", str(pool), "--shows", "edema", "--config", '{"device": "cpu", "precision": "fp32"}', "--out", str(tmp_path / "x")])  # fmt: skip


def test_dice_by_hand() -> None:
    # Found 3 pixels, asked 2, both 1: 2 / 5. Of an empty mask there is no Dice.
    found = np.array([[[True, True], [True, False]]] * 2)
    asked = np.array([[[True, False], [False, True]], [[False, False], [False, False]]])
    assert dice(found, asked).tolist()[0] == 0.4 and np.isnan(dice(found, asked)[1])


def test_no_patient_is_learned_from_and_held_out() -> None:
    films = SimpleNamespace(index=pd.DataFrame({"patient_id": list("aabbccddee"), "image_id": list("0123456789")}))
    learned, held = held_out(films, np.arange(10), 0.4)  # type: ignore[arg-type]
    owners = films.index["patient_id"]
    assert not set(owners[learned]) & set(owners[held]) and len(held) == 4 and len(learned) == 6
