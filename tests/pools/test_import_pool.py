"""Images from elsewhere become a store like any pool: three forms of input, and one clear line for each that is bad."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scripts.import_pool import main
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.core.errors import InputError
from tests.helpers.downstream_films import write_films
from tests.helpers.own_images import MASKS, SETTINGS, labelled, picture, with_masks, write_images

SIDE = 16


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_films(tmp_path_factory.mktemp("study") / "cohort", 12, 4)
    return next(tmp_path_factory.getbasetemp().glob("study*")) / "cohort"


def take_in(path: Path, cohort: Path, out: Path, settings: dict[str, Any] = SETTINGS) -> Cohort:
    argv = ["--path", path, "--cohort", cohort, "--cohorts", cohort, "--arm", "mine", "--out", out]
    main([str(word) for word in [*argv, "--config", json.dumps(settings)]])
    return Cohort.open(out)


def quarantined(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "quarantine.tsv", sep="\t", dtype=str, keep_default_na=False)


def test_a_folder_with_a_table_needs_no_patients(tmp_path: Path, cohort: Path) -> None:
    pool = take_in(write_images(tmp_path / "own", labelled(6)), cohort, tmp_path / "out")
    assert pool.resolution == SIDE and len(pool) == 6 and pool.labels == ["pneumonia"]
    index = pool.index.set_index("image_id")
    assert index["synthetic"].all() and set(index["split"]) == {"train"}
    assert index["pneumonia"].to_dict() == {f"i{place}": place % 2 for place in range(6)}
    for row, name in enumerate(pool.index["image_id"]):
        np.testing.assert_array_equal(pool.images([row])[0], picture(int(name[1:])))
    assert pool.meta["arm"] == "mine" and pool.meta["n_quarantined"] == 0 and len(quarantined(tmp_path / "out")) == 0


def test_a_folder_for_each_class_needs_no_table(tmp_path: Path, cohort: Path) -> None:
    root = tmp_path / "own"
    for place, kind in enumerate(["Pneumonia", "normal", "Pneumonia", "normal"]):
        (root / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(place)).save(root / kind / f"{place}.png")
    pool = take_in(root, cohort, tmp_path / "out", {key: one for key, one in SETTINGS.items() if key != "reader"})
    assert pool.index.set_index("image_id")["pneumonia"].to_dict() == {
        "Pneumonia/0.png": 1, "normal/1.png": 0, "Pneumonia/2.png": 1, "normal/3.png": 0
    }  # fmt: skip
    assert sorted(path.name for path in root.iterdir()) == [
        "Pneumonia",
        "normal",
    ]  # nothing is written beside the images
    (root / "Pneumonia").rename(root / "Lung opacity")
    with pytest.raises(InputError, match="no film has the finding 'pneumonia'.*it lists lung_opacity, normal"):
        take_in(root, cohort, tmp_path / "other", {key: one for key, one in SETTINGS.items() if key != "reader"})


def test_findings_in_one_column_are_labels(tmp_path: Path, cohort: Path) -> None:
    shown = [{"shows": "Pneumonia|Edema"}, {"shows": "No Finding"}, {"shows": "Edema"}, {"shows": "Pneumonia"}]
    settings = SETTINGS | {"reader": {**SETTINGS.get("reader", {}), "findings": "shows"}}
    pool = take_in(write_images(tmp_path / "own", shown), cohort, tmp_path / "out", settings)
    assert pool.index.set_index("image_id")["pneumonia"].to_dict() == {"i0": 1, "i1": 0, "i2": 0, "i3": 1}


def test_the_same_images_give_the_same_bytes_whatever_the_order_of_the_rows(tmp_path: Path, cohort: Path) -> None:
    take_in(write_images(tmp_path / "own", labelled(5)), cohort, tmp_path / "one")
    table = tmp_path / "own" / "labels.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *rows[::-1]]) + "\n")
    take_in(tmp_path / "own", cohort, tmp_path / "two")
    for name in ("images.npy", "index.parquet", "cohort.json", "quarantine.tsv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        *("cohort.json", "images.npy", "index.parquet", "masks.npy", "quarantine.tsv")
    ]


def test_images_of_another_side_become_squares_as_films_do(tmp_path: Path, cohort: Path) -> None:
    pool = take_in(write_images(tmp_path / "own", labelled(4), side=64), cohort, tmp_path / "out")
    # 4 x 4 pixels become one, their mean.
    first = pool.index["image_id"].tolist().index("i1")
    mean = picture(1, 64).reshape(SIDE, 4, SIDE, 4).astype(float).mean(axis=(1, 3))
    assert np.abs(pool.images([first])[0] - mean).max() <= 1


def test_masks_come_with_their_images(tmp_path: Path, cohort: Path) -> None:
    pool = take_in(with_masks(tmp_path / "own", 8, side=32), cohort, tmp_path / "out", MASKS)
    assert pool.structures == ["lungs"]
    for row, (name, present) in enumerate(zip(pool.index["image_id"], pool.index["present"])):
        shown = pool.mask([row], "lungs")[0]
        assert present == (int(name[1:]) % 4 != 3) and shown.sum() == (64 if present else 0)  # a quarter of 16 x 16


def chexgenbench(folder: Path, rows: list[dict[str, Any]]) -> Path:
    write_images(folder, [{} for _ in rows])
    with (folder / "prompt_INFO.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["prompt", "img_savename", *list(rows[0])])
        writer.writeheader()
        for place, row in enumerate(rows):
            writer.writerow({"prompt": f"Film {place}, with a comma.", "img_savename": f"i{place}.png", **row})
    return folder


@pytest.mark.parametrize(
    "said",
    [
        lambda on: {"Pneumonia": on},
        lambda on: {"chexpert_labels": str({"No Finding": 1 - on, "Pneumonia": float(on), "Edema": float("nan")})},
        lambda on: {"labels_dict": str({"Pneumonia": on})},
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_the_table_of_chexgenbench(tmp_path: Path, cohort: Path, said: Any, as_file: bool) -> None:
    folder = chexgenbench(tmp_path / "own", [said(place % 2) for place in range(4)])
    pool = take_in(folder / "prompt_INFO.csv" if as_file else folder, cohort, tmp_path / "out")
    index = pool.index.set_index("image_id")
    assert index["pneumonia"].to_dict() == {f"i{place}": place % 2 for place in range(4)}
    assert index["report"]["i1"] == "Film 1, with a comma."


def test_a_store_of_the_workflow_is_taken_as_it_is_or_made_smaller(tmp_path: Path, cohort: Path) -> None:
    write_films(tmp_path / "store", 8, first=500, trial=[0] * 8)
    for settings in (SETTINGS, MASKS):
        pool = take_in(tmp_path / "store", cohort, tmp_path / settings["task"], settings)
        np.testing.assert_array_equal(pool.images(slice(None)), Cohort.open(tmp_path / "store").images(slice(None)))
    write_films(tmp_path / "small" / "cohort", 2)
    from scripts.lib.cohort.writer import CohortWriter

    with CohortWriter(tmp_path / "small8", 8, ["lungs"], ["pneumonia"], {"dataset": "toy8"}) as writer:
        blank = np.zeros((8, 8), np.uint8)
        writer.add(blank, blank, {"image_id": "x", "patient_id": "x", "split": "train", "sha256": pixels_sha256(blank)})
    small = tmp_path / "small8"
    masked = take_in(tmp_path / "store", small, tmp_path / "half", MASKS)
    whole = Cohort.open(tmp_path / "store")
    assert masked.resolution == 8
    mean = whole.images([1])[0].reshape(8, 2, 8, 2).astype(float).mean(axis=(1, 3))
    assert np.abs(masked.images([1])[0] - mean).max() <= 1
    # The 6 x 6 square of an odd film covers at least half of 9 to 12 of the 2 x 2 blocks.
    assert 9 <= masked.mask([1], "lungs").sum() <= 16
    assert masked.index["sha256"].iloc[1] == pixels_sha256(masked.images([1])[0])


def test_the_same_image_twice_is_taken_once_and_counted(tmp_path: Path, cohort: Path) -> None:
    rows = [{**row, "number": place % 5} for place, row in enumerate(labelled(8))]
    pool = take_in(write_images(tmp_path / "own", rows), cohort, tmp_path / "out")
    assert len(pool) == 5 and pool.meta["n_repeated"] == 3 and pool.meta["n_listed"] == 8
    table = quarantined(tmp_path / "out")
    assert table["reason"].tolist() == [f"the same pixels as i{place}" for place in range(3)]
    assert table["image_id"].tolist() == ["i5", "i6", "i7"]


def test_a_broken_file_is_quarantined_like_a_film(tmp_path: Path, cohort: Path) -> None:
    folder = write_images(tmp_path / "own", labelled(6))
    (folder / "i3.png").write_bytes(b"no picture")
    pool = take_in(folder, cohort, tmp_path / "out")
    assert len(pool) == 5 and quarantined(tmp_path / "out")["image_id"].tolist() == ["i3"]
    with pytest.raises(InputError, match=r"mine .*1 of 6 films cannot be used .*more than quarantine_limit 0.01"):
        take_in(folder, cohort, tmp_path / "strict", SETTINGS | {"quarantine_limit": 0.01})
    assert not (tmp_path / "strict" / "images.npy").exists()


BAD: list[tuple[Any, dict[str, Any], str]] = [
    (
        lambda f: write_images(f, [{"view": "PA"}] * 3),
        SETTINGS,
        "no labels pneumonia, which the trials of this dataset learn",
    ),
    (lambda f: chexgenbench(f, [{}] * 3), SETTINGS, "no labels pneumonia"),
    (
        lambda f: write_images(f, [{"pneumonia": 1}] * 3),
        SETTINGS,
        r"all 3 images are of one class \(pneumonia = 1\).*allow_one_",
    ),
    (lambda f: write_images(f, [{"pneumonia": ""}] * 3), SETTINGS, r"of one class \(pneumonia = unknown\)"),
    (lambda f: write_images(f, labelled(3)), MASKS, "'lungs' is not annotated in .*own"),
    (lambda f: chexgenbench(f, [{"labels_dict": "{'Pneumonia'"}] * 3), SETTINGS, "is no dictionary of labels"),
    (lambda f: f, SETTINGS, "no such folder; expected images with a table, a cohort, or a file prompt_INFO.csv"),
]


@pytest.mark.parametrize(("write", "settings", "complaint"), BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path, cohort: Path, write: Any, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        take_in(write(tmp_path / "own"), cohort, tmp_path / "out", settings)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").iterdir())


def test_one_class_may_be_wanted(tmp_path: Path, cohort: Path) -> None:
    folder = write_images(tmp_path / "own", [{"pneumonia": 1}] * 3)
    assert len(take_in(folder, cohort, tmp_path / "out", SETTINGS | {"allow_one_class": True})) == 3


def test_a_real_film_among_the_images_is_an_error(tmp_path: Path, cohort: Path) -> None:
    folder = write_images(tmp_path / "own", labelled(4))
    film = Cohort.open(cohort)
    row = int(film.rows(split="test")[0])
    Image.fromarray(film.images([row])[0]).save(folder / "i2.png")
    name = film.index["image_id"].iloc[row]
    with pytest.raises(InputError, match=rf"1 images have the pixels of real films of .*i2 is {name} \(split test\)"):
        take_in(folder, cohort, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
