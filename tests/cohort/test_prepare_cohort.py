"""A dataset becomes a cohort: counts, quarantine, commands; the same bytes for any thread count or row order."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scripts.lib.cohort.boxes import BOXES
from scripts.lib.cohort.geometry import fit_image
from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.splits import given_splits
from scripts.lib.cohort.store import FILES, Cohort, pixels_sha256
from scripts.lib.core.errors import InputError
from scripts.prepare_cohort import main as prepare_main
from scripts.tabulate_cohorts import main as tabulate_main
from tests.helpers.dicom_files import dicom_bytes, ramp

HEAD = "image_id,file,patient_id,sick,mask_file,report,split\n"


def film(number: int, size: tuple[int, int] = (40, 32)) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, size, dtype=np.uint8)


def tree(root: Path, count: int = 12, extra: str = "", films_per_patient: int = 2) -> Path:
    """Films with masks: image k belongs to patient k // films_per_patient and is sick when k is odd."""
    (root / "films").mkdir(parents=True, exist_ok=True)
    rows = []
    for k in range(count):
        Image.fromarray(film(k)).save(root / "films" / f"f{k:02d}.png")
        mask = np.zeros((40, 32), dtype=np.uint8)
        mask[10:30, 8:24] = 255
        Image.fromarray(mask).save(root / "films" / f"f{k:02d}_mask.png")
        rows.append(
            f"f{k:02d},films/f{k:02d}.png,p{k // films_per_patient},{k % 2},films/f{k:02d}_mask.png,report {k},\n"
        )
    (root / "labels.csv").write_text(HEAD + "".join(rows) + extra)
    return root


def config(**changes: Any) -> dict[str, Any]:
    base = {"format": "folder", "labels": ["sick"], "structures": ["lungs"], "split": {"generator": 4, "test": 0.25}}
    return {**base, "quarantine_limit": 0.2, **changes}


def prepare(root: Path, out: Path, threads: int = 1, track: Any = None, **changes: Any) -> Cohort:
    options = {"track": track} if track else {}
    prepare_cohort("demo", config(**changes), root, 16, 1, out, threads, **options)
    return Cohort.open(out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_whole_way(tmp_path: Path) -> None:
    cohort = prepare(tree(tmp_path / "raw"), tmp_path / "out")
    index = cohort.index
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [*FILES, BOXES, "notes.csv", "quarantine.tsv"]
    )
    # 12 films: 4 to the generator; a quarter of the 8 left, 2, to the test side; 6 to training. Two films a patient.
    assert Counter(index["split"]) == {"generator": 4, "train": 6, "test": 2}
    assert index.groupby("patient_id")["split"].nunique().eq(1).all()
    assert index["image_id"].tolist() == sorted(index["image_id"])
    assert index["sick"].tolist() == [0, 1] * 6 and not index["synthetic"].any()
    assert index["report"][3] == "report 3" and index["source_file"][3] == "films/f03.png"
    image, field = cohort.images([3])[0], cohort.masks([3])[0]
    assert np.array_equal(image, fit_image(film(3), 16, "pad"))
    assert index["sha256"][3] == pixels_sha256(image) and index["mask_sha256"][3] == pixels_sha256(field)
    # 40 x 32 into 16: scale 0.4, so 13 columns from column 1 on; the mask covers rows 4 to 11
    assert np.flatnonzero(field.any(axis=1)).tolist() == list(range(4, 12))
    assert index["annotated"].tolist() == [1] * 12
    meta = json.loads((tmp_path / "out" / "cohort.json").read_text())
    assert meta["structures"] == ["lungs"] and meta["n_quarantined"] == meta["n_unlisted"] == 0
    assert meta["splits"]["generator"]["masked"] == {"lungs": 4} and meta["seed"] == 1


def test_threads_and_row_order_do_not_change_a_byte(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", count=80)
    prepare(root, tmp_path / "one")
    prepare(root, tmp_path / "three", threads=3)
    lines = (root / "labels.csv").read_text().splitlines()
    (root / "labels.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    prepare(root, tmp_path / "turned")
    assert contents(tmp_path / "one") == contents(tmp_path / "three") == contents(tmp_path / "turned")


def test_what_is_not_taken_is_listed(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", extra="g,films/gone.png,p9,1,,,\nh,films/cut.png,p9,0,,,\n")
    (root / "films" / "cut.png").write_bytes((root / "films" / "f00.png").read_bytes()[:300])
    Image.fromarray(film(99)).save(root / "films" / "stray.png")
    cohort = prepare(root, tmp_path / "out")
    assert len(cohort) == 12 and cohort.meta["n_quarantined"] == 2 and cohort.meta["n_unlisted"] == 1
    table = pd.read_csv(tmp_path / "out" / "quarantine.tsv", sep="\t")
    assert table["source_file"].tolist() == ["films/cut.png", "films/gone.png"]
    assert table["reason"][1] == "listed file is missing" and pd.isna(table["sha256"][1])
    assert table["sha256"][0] == hashlib.sha256((root / "films" / "cut.png").read_bytes()).hexdigest()


def test_a_broken_mask_takes_its_film_along(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw")
    (root / "films" / "f03_mask.png").unlink()
    cohort = prepare(root, tmp_path / "out")
    assert "f03" not in set(cohort.index["image_id"])
    assert "its mask films/f03_mask.png" in (tmp_path / "out" / "quarantine.tsv").read_text()


def test_too_many_broken_films_stop_the_run_and_write_nothing(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw")
    for k in range(4):
        (root / "films" / f"f{k:02d}.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"4 of 12 films cannot be used \(33.3%\).*4 x zero bytes, e.g. films/f00.png"):
        prepare(root, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_film_without_mask_is_not_annotated(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", extra="z,films/z.png,p9,1,,,\n")
    Image.fromarray(film(50)).save(root / "films" / "z.png")
    cohort = prepare(root, tmp_path / "out")
    row = cohort.rows(image_id="z")[0]
    assert cohort.index["annotated"][row] == 0 and not cohort.masks([row]).any()


@pytest.mark.parametrize("size", [(20, 32), (80, 64)])
def test_mask_of_another_size_stops_the_run(tmp_path: Path, size: tuple[int, int]) -> None:
    root = tree(tmp_path / "raw")
    Image.fromarray(np.full(size, 255, np.uint8)).save(root / "films" / "f05_mask.png")
    with pytest.raises(InputError, match=r"labels\.csv row 7 column mask_file: mask of"):
        prepare(root, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_error_in_a_worker_process_stops_the_run_with_its_line(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", count=80)
    Image.fromarray(np.full((9, 9), 255, np.uint8)).save(root / "films" / "f50_mask.png")
    with pytest.raises(InputError, match=r"labels\.csv row 52 column mask_file: mask of 9 x 9"):
        prepare(root, tmp_path / "out", threads=2)
    assert not list((tmp_path / "out").iterdir())


def test_one_picture_under_two_names_stays_on_one_side(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", count=20, films_per_patient=1)
    for k in range(0, 20, 2):
        (root / "films" / f"f{k + 1:02d}.png").write_bytes((root / "films" / f"f{k:02d}.png").read_bytes())
    cohort = prepare(root, tmp_path / "out", split={"test": 10})
    assert (cohort.index["split"][0::2].to_numpy() == cohort.index["split"][1::2].to_numpy()).all()
    assert Counter(cohort.index["split"]) == {"test": 10, "train": 10}


def dicom_tree(root: Path, films: dict[str, bytes]) -> Path:
    (root / "films").mkdir(parents=True)
    for name, data in films.items():
        (root / "films" / f"{name}.dcm").write_bytes(data)
    rows = "".join(f"{name},films/{name}.dcm,p{name},{k % 2},,,\n" for k, name in enumerate(films))
    (root / "labels.csv").write_text(HEAD + rows)
    return root


def test_one_uid_with_the_same_pixels_is_taken_once_with_others_stops(tmp_path: Path) -> None:
    same = {name: dicom_bytes(ramp(), SOPInstanceUID=uid) for name, uid in (("a", "1.1"), ("b", "1.1"), ("c", "1.2"))}
    cohort = prepare(dicom_tree(tmp_path / "same", same), tmp_path / "out", structures=[], split={})
    assert cohort.index["image_id"].tolist() == ["a", "c"]
    other = {**same, "b": dicom_bytes(ramp()[::-1], SOPInstanceUID="1.1")}
    with pytest.raises(InputError, match="same SOPInstanceUID 1.1 but other pixels"):
        prepare(dicom_tree(tmp_path / "other", other), tmp_path / "out2", structures=[], split={})


def test_lateral_films_known_only_from_their_header_are_left_out(tmp_path: Path) -> None:
    films = {
        name: dicom_bytes(ramp() + k, SOPInstanceUID=f"1.{k}", ViewPosition=view)
        for k, (name, view) in enumerate([("a", "PA"), ("b", "LL"), ("c", "AP")])
    }
    root = dicom_tree(tmp_path / "raw", films)
    cohort = prepare(root, tmp_path / "out", structures=[], split={}, reader={"frontal_only": True})
    assert cohort.index["view"].tolist() == ["PA", "AP"] and cohort.meta["excluded"] == {"lateral": 1}


def test_a_table_that_changes_while_films_are_read(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw")

    def touching(films: Any, total: int) -> Any:
        with (root / "labels.csv").open("a") as stream:
            stream.write("\n")
        return films

    with pytest.raises(InputError, match="changed while it was being read"):
        prepare(root, tmp_path / "out", track=touching)
    assert not list((tmp_path / "out").iterdir())


def test_films_that_lie_elsewhere_are_looked_for_where_the_table_names_paths(tmp_path: Path) -> None:
    head = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding\n"
    for split, film in (("train", "patient1/study1/view1_frontal.jpg"), ("valid", "patient2/study1/view1_frontal.jpg")):
        (tmp_path / f"{split}.csv").write_text(f"{head}CheXpert-v1.0-small/{split}/{film},Male,40,Frontal,PA,1.0\n")
        (tmp_path / "elsewhere" / split / film).parent.mkdir(parents=True)
        (tmp_path / "elsewhere" / split / film).touch()
    settings = {"format": "chexpert", "labels": ["No Finding"], "structures": [], "quarantine_limit": 1.0}
    with pytest.raises(InputError, match="no film left of 2") as caught:
        prepare_cohort("chexpert", settings, tmp_path, 32, 1, tmp_path / "out")
    assert "reader" not in str(caught.value)  # whose layout is fixed: the format has no key for another folder


def test_given_split(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw")
    text = (root / "labels.csv").read_text()
    lines = [line + ("train" if k < 8 else "test") for k, line in enumerate(text.splitlines()[1:])]
    (root / "labels.csv").write_text(HEAD + "\n".join(lines) + "\n")
    assert Counter(prepare(root, tmp_path / "out", split="given").index["split"]) == {"train": 8, "test": 4}
    lines[7] = lines[7].removesuffix("train") + "test"
    (root / "labels.csv").write_text(HEAD + "\n".join(lines) + "\n")
    with pytest.raises(InputError, match="patient p3 is in two splits: f06 in train, f07 in test"):
        prepare(root, tmp_path / "out", split="given")


def test_given_split_that_is_not_given() -> None:
    with pytest.raises(InputError, match="give image b no split"):
        given_splits(["p", "q"], ["train", None], ["a", "b"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": {"test": 13}}, "only 12 images"),
        ({"split": {"generator": 6, "test": 6}}, "take all 12"),
        ({"split": {"test": -1}}, "count of images or a share"),
        ({"split": {"test": 1.5}}, "only 12"),
        ({"split": "random"}, "expected 'given'"),
        ({"fit": "zoom"}, "fit is 'zoom'"),
        ({"percentiles": [50, 50]}, "percentiles"),
        ({"labels": ["ill"]}, "no column for label 'ill'"),
        ({"structures": ["lungs", "heart"]}, "mask_values"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(tree(tmp_path / "raw"), tmp_path / "out", **changes)


def test_command_and_table_1(tmp_path: Path) -> None:
    root, out = tree(tmp_path / "raw films' folder"), tmp_path / "cohort"
    options = ["--dataset", "demo", "--config", json.dumps(config()), "--root", str(root), "--resolution", "16"]
    prepare_main([*options, "--seed", "1", "--out", str(out), "--threads", "2"])
    rsna = tmp_path / "rsna"
    rsna.mkdir()
    meta = json.loads((out / "cohort.json").read_text())
    (rsna / "cohort.json").write_text(json.dumps({**meta, "dataset": "rsna", "format": "rsna"}))
    csv, md = tmp_path / "t.csv", tmp_path / "t.md"
    tabulate_main(["--cohorts", str(out), str(rsna), "--out-csv", str(csv), "--out-md", str(md)])
    table = pd.read_csv(csv)
    assert table[["generator", "train", "test"]].to_numpy().tolist() == [[4, 6, 2]] * 2
    assert table["positives"][0] == "sick 3 / 1" and table["structures"][0] == "lungs"
    assert table["paper_train"][1] == 21_885 and table["paper_test"][1] == 4_801 and "header line" in table["note"][1]
    assert md.read_text().count("\n| ") == 3 and "- rsna: 26,684" in md.read_text()


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.prepare_cohort", "--dataset", "demo", "--config", '{"format": "rsan"}']
    options = ["--root", str(tmp_path), "--resolution", "16", "--seed", "1", "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [done.stderr.strip()] and "did you mean 'rsna'" in done.stderr


def test_table_1_refuses_a_pool(tmp_path: Path) -> None:
    (tmp_path / "cohort.json").write_text("{}")
    with pytest.raises(InputError, match="pool of synthetic images"):
        tabulate_main(["--cohorts", str(tmp_path), "--out-csv", str(tmp_path / "a"), "--out-md", str(tmp_path / "b")])
