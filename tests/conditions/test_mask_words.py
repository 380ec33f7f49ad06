"""Prompts of masks, from words to asks and back; the shape of masks, which of them can be, and their tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.store import Cohort, pixels_sha256, with_films
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.conditions.mask_link import conditions_of
from scripts.lib.conditions.mask_prompts import ask_of, ask_text, read_prompt
from scripts.lib.conditions.mask_shape import faults_of, limits_of, plausibility, shapes
from scripts.lib.conditions.mask_shuffle import shuffled_fields
from scripts.lib.conditions.mask_table import build_mask_table
from scripts.lib.conditions.mask_words import mask_words, with_words
from scripts.lib.conditions.rows import TRIAL_SAMPLES, condition_id
from scripts.lib.conditions.table import TableRequest
from scripts.lib.core.errors import InputError

STRUCTURES = ["lungs", "heart", "pleural_effusion", "cardiomegaly"]


def chest(right: bool = False, left: bool = False, large: bool = False) -> np.ndarray:
    """A mask of 32 pixels: two lungs, a heart over the midline, fluid at the base of either side."""
    field = np.zeros((32, 32), np.uint8)
    field[4:28, 3:13] |= 1
    field[4:28, 19:29] |= 1
    field[16:26, 11:21] |= 2
    field[22:28, 3:13] |= 4 * right
    field[22:28, 19:29] |= 4 * left
    field[16:26, 11:21] |= 8 * large
    return field


def moved(count: int = 40) -> np.ndarray:
    """Chests moved by up to two pixels."""
    stream = np.random.default_rng(0)
    chests = (chest(k % 2 == 0, k % 3 == 0, k % 2 == 1) for k in range(count))
    return np.stack([np.roll(one, stream.integers(-2, 3, 2), (0, 1)) for one in chests])


def test_an_ask_is_what_a_mask_shows_and_the_patients_left_is_the_images_right() -> None:
    assert ask_of(chest(right=True, large=True), STRUCTURES) == {"pleural_effusion": "right", "cardiomegaly": ""}
    assert ask_of(chest(left=True), STRUCTURES) == {"pleural_effusion": "left"}
    assert ask_of(chest(left=True, right=True), STRUCTURES) == {"pleural_effusion": "both"}
    assert ask_of(chest(), STRUCTURES) == {}
    # fluid on one side has 60 of 1,024 pixels
    assert ask_of(chest(right=True), STRUCTURES, {"pleural_effusion": 60 / 1024}) == {"pleural_effusion": "right"}
    assert ask_of(chest(right=True), STRUCTURES, {"pleural_effusion": 61 / 1024}) == {}


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        ("right pleural effusion and cardiomegaly", {"pleural_effusion": "right", "cardiomegaly": ""}),
        ("Cardiomegaly with a small left-sided effusion.", {"pleural_effusion": "left", "cardiomegaly": ""}),
        ("left pleural effusion, right pleural effusion", {"pleural_effusion": "both"}),
        ("effusion", {"pleural_effusion": "both"}),
        ("no finding", {}),
        ("Normal", {}),
    ],
)
def test_words_become_asks(text: str, ask: dict[str, str]) -> None:
    assert read_prompt(text, STRUCTURES) == ask
    assert read_prompt(ask_text(ask), STRUCTURES) == ask


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  ", "empty"),
        ("effusion " * 2000, "17999 characters; expected at most 300"),
        ("<b>effusion</b>", "'<b>effusion</b>' is no finding of this model"),
        ("left pleural effuson", "did you mean 'pleural effusion'"),
        ("pneumothorax", "'pneumothorax' is no finding of this model"),
        ("left cardiomegaly", "cardiomegaly has no side"),
        ("no finding and cardiomegaly", "contradicts"),
        ("cardiomegaly without pleural effusion", "'cardiomegaly without pleural effusion' denies; .* so leave it out"),
        ("no pleural effusion", "denies"),
        ("bilateral left effusion", "sides that contradict"),
        ("bilateral effusion and left effusion", "two sides that contradict"),
        (", and .", "no finding in"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_one_line(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as fault:
        read_prompt(text, STRUCTURES)
    assert "\n" not in str(fault.value) and len(str(fault.value)) < 300


def test_shapes_by_hand() -> None:
    found = shapes(np.stack([chest(), chest(right=True)]), STRUCTURES)
    assert np.isnan(found["pleural_effusion.x"][0])
    # 6 rows x 10 columns = 60 of 1,024 pixels; columns 3..12 of a lung box of 26 from column 3 on: middle (5) / 26;
    # rows 22..27 of a box of 24 from row 4 on: middle (25 - 4) / 24; edge 2 (6 + 10) = 32: 4 pi 60 / 1,024
    assert found["pleural_effusion.log_area"][1] == pytest.approx(np.log(60 / 1024))
    assert found["pleural_effusion.x"][1] == pytest.approx(5 / 26)
    assert found["pleural_effusion.y"][1] == pytest.approx(21 / 24)
    assert found["pleural_effusion.compactness"][1] == pytest.approx(4 * np.pi * 60 / 1024)
    assert found["lungs.parts"].tolist() == [2, 2]


def test_what_lies_outside_of_real_masks_is_a_fault() -> None:
    real = np.stack([chest(), chest(right=True), chest(left=True, large=True)])
    limits = limits_of(real, STRUCTURES)
    assert plausibility(real[0], STRUCTURES)["smaller lung"] == 0.5
    assert all(not faults_of(field, STRUCTURES, limits) for field in real)
    one_lung, outside, aside, none = (chest(right=True) for _ in range(4))
    one_lung[:, 16:] &= 0xFE
    outside[0:3, 14:18] |= 4
    aside[:, :16] &= 0xFD
    none &= 0xFE
    assert "smaller lung" in faults_of(one_lung, STRUCTURES, limits)
    assert faults_of(outside, STRUCTURES, limits) == ["pleural_effusion"]
    assert faults_of(aside, STRUCTURES, limits) == ["heart middle"]
    assert faults_of(none, STRUCTURES, limits) == ["no lungs"]


def cohort(folder: Path, **notes: object) -> Cohort:
    """Forty films of forty patients; every fifth was not looked at for a large heart."""
    with CohortWriter(
        folder, 32, STRUCTURES, ["pleural_effusion"], {"dataset": "d", **notes}, with_masks=True
    ) as writer:
        for number in range(40):
            field = chest(right=number % 2 == 0, left=number % 4 < 2, large=number % 3 == 0)
            row = {
                "image_id": f"f{number}",
                "patient_id": f"p{number}",
                "split": "train",
                "sha256": str(number),
                "synthetic": False,
                "annotated": 7 if number % 5 == 0 else 15,
                "pleural_effusion": 1,
                "mask_sha256": pixels_sha256(field),
                "position": number // 2,
                "trial": number % 2,
                "sample": 0,
                "prompt": ask_text(ask_of(field, STRUCTURES)),
                "shown_words": ask_text(ask_of(field, STRUCTURES)),
                "faults": "lung area" if number in (3, 6) else "",
            }
            writer.add(np.zeros((32, 32), np.uint8), field, row)
    return Cohort.open(folder)


def ranks() -> pd.DataFrame:
    rows = [{"patient_id": f"p{k}", "trial": t, "rank": k, "image_id": f"f{k}"} for t in (0, 1) for k in range(40)]
    return pd.DataFrame(rows)


def test_the_table_asks_for_what_the_films_show_and_longer_tables_begin_with_shorter_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scripts.lib.conditions import mask_table
    from scripts.lib.conditions.subset import Subset

    films = cohort(tmp_path / "c")

    def chosen(store: Cohort, table: pd.DataFrame, settings: object, name: str, trial: int, *_: object) -> Subset:
        rows = np.arange(20) + 20 * trial
        return Subset(store, table, trial, 0.5, rows, rows)

    monkeypatch.setattr(mask_table, "choose_subset", chosen)
    long, short = (
        build_mask_table(films, ranks(), {}, TableRequest("d", 0.5, multiplier, 2, 1)) for multiplier in (3, 1)
    )
    assert len(long) == 2 * 3 * 20 and short.equals(long.iloc[: len(short)])
    for trial in (0, 1):
        own = long[long["trial"] == trial]
        # 16 of a trial's 20 films were looked at for everything, and each is asked for in turn
        counts = own["source"].value_counts()
        assert len(counts) == 16 and set(counts) == {3, 4}
        assert {int(name[1:]) // 20 for name in own["source"]} == {trial}
    row = long.iloc[0]
    place = int(row["source"][1:])
    assert json.loads(row["ask"]) == ask_of(films.masks([place])[0], STRUCTURES)
    assert not long.duplicated(["condition_id", "sample"]).any()


def test_shuffled_masks_keep_one_anatomy_and_take_each_finding_from_another_patient(tmp_path: Path) -> None:
    films = cohort(tmp_path / "c")
    table = pd.DataFrame({"source": ["f0", "f1"] * 40, "trial": 0, "condition_id": "a", "sample": range(80)})
    fields = shuffled_fields(films, table, {0: np.arange(40)}, 1)
    assert ((fields & 3) == (chest() & 3)).all()
    shown = np.stack([(fields >> bit & 1).any((1, 2)) for bit in (2, 3)], 1)
    assert 0.5 < shown[:, 0].mean() < 0.95 and 0.15 < shown[:, 1].mean() < 0.55  # 30 and 14 of 40 films show them
    assert np.array_equal(fields, shuffled_fields(films, table, {0: np.arange(40)}, 1))
    with pytest.raises(InputError, match="films of one patient alone"):
        shuffled_fields(films, table, {0: np.array([0])}, 1)


def test_masks_become_conditions_and_valid_ones_stand_in_for_those_that_are_not(tmp_path: Path) -> None:
    pool = cohort(tmp_path / "c", kind="masks", masks="generated")
    table = conditions_of(pool)
    assert len(table) == 40 and table["position"].tolist() == [k // 2 for k in range(40)]
    sources = table["mask_source"].tolist()
    assert sources[:3] == ["f0", "f1", "f2"] and sources[3] != "f3" and sources[6] != "f6"
    for place in (3, 6):
        stand_in = int(sources[place][1:])
        assert stand_in % 2 == place % 2 and stand_in not in (3, 6)  # of the same trial
    assert not table.duplicated(["condition_id", "sample"]).any()
    assert set(table["kind"]) == {"mask"} and table["prompt"].isna().all() and table["transform"].isna().all()
    with pytest.raises(InputError, match="not a pool of masks"):
        conditions_of(cohort(tmp_path / "other"))


def test_a_pool_of_masks_is_no_pool_of_films(tmp_path: Path) -> None:
    assert len(with_films(cohort(tmp_path / "films"))) == 40
    with pytest.raises(InputError, match="a pool of masks, without films or images"):
        with_films(cohort(tmp_path / "c", kind="masks"))


def test_masks_of_a_pool_are_told_in_words_of_what_they_show(tmp_path: Path) -> None:
    pool = cohort(tmp_path / "c", kind="masks", masks="generated")
    plain, told = conditions_of(pool), conditions_of(pool, words=True)
    words = pool.index.set_index("image_id")["shown_words"]
    assert told["prompt"].tolist() == words[told["mask_source"]].tolist() and set(told["kind"]) == {"both"}
    assert told["mask_source"].equals(plain["mask_source"]) and not set(told["condition_id"]) & set(
        plain["condition_id"]
    )
    assert not told.duplicated(["condition_id", "sample"]).any()


def test_words_of_a_condition_follow_the_mask_as_it_was_changed(tmp_path: Path) -> None:
    films = cohort(tmp_path / "c")
    names = films.index["image_id"]
    right = next(row for row in range(40) if "right pleural effusion" in mask_words(films, np.array([row]))[0])
    flip = json.dumps({"flip": True})
    table = pd.DataFrame(
        {"condition_id": ["a", "b", "c", "d"], "position": range(4), "trial": 1, "sample": 0, "kind": ["mask", "mask", "mask", "text"]}
        | {"prompt": [None, None, None, "edema"], "mask_source": [names[right]] * 3 + [None], "side": None}
        | {"transform": [None, flip, flip, None]}
    )  # fmt: skip
    told = with_words(table, films)
    said = mask_words(films, np.array([right]))[0]
    # The film's right effusion becomes a left one where it is mirrored; the row without a mask keeps its text and identity.
    mirrored = said.replace("right", "left")
    assert told["prompt"].tolist() == [said, mirrored, mirrored, "edema"] and told["kind"].tolist() == ["both"] * 3 + [
        "text"
    ]
    digest = pixels_sha256(films.masks([right])[0])
    assert told["condition_id"].tolist()[1:] == [condition_id(mirrored, digest, flip)] * 2 + ["d"]
    # Two rows are one condition, so the second is its second sample.
    assert told["sample"].tolist() == [TRIAL_SAMPLES, TRIAL_SAMPLES, TRIAL_SAMPLES + 1, TRIAL_SAMPLES]
