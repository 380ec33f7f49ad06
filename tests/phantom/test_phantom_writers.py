"""Phantom datasets on disk: names, columns and encodings of the real ones, and the same bytes from the same seed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image

from scripts import write_phantom
from scripts.lib.core.errors import InputError
from scripts.lib.phantom.film import draw_film
from scripts.lib.phantom.study import film_stream, plan_films
from scripts.lib.phantom.writers.dicom import uid
from scripts.lib.phantom.writers.labels import present_labels

SIZE = 64
SMALL = {
    "candid": {"patients": 40, "odd_files": 0.1},
    "siim": {"patients": 40, "test_patients": 3, "odd_files": 0.1, "prevalence": {"pneumothorax": 0.6}},
    "rsna": {"patients": 40, "test_patients": 3},
    "chexpert": {"patients": 25, "test_patients": 12, "lateral": 0.4, "uncertain": 0.4},
    "mimic": {"patients": 25, "validate_patients": 3, "test_patients": 3, "lateral": 0.4, "uncertain": 0.4},
}


def write(folder: Path, format: str, seed: int = 1, **config: object) -> Path:
    settings = {"size": SIZE, **SMALL[format], **config}
    arguments = ["--dataset", format, "--format", format, "--seed", str(seed), "--config", json.dumps(settings)]
    write_phantom.main([*arguments, "--out", str(folder / format), "--manifest", str(folder / f"{format}.json")])
    return folder / format


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("phantom")
    return {format: write(folder, format) for format in SMALL}


def films_of(format: str) -> list:
    return plan_films(format, {"size": SIZE, **SMALL[format]}, 1)


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def decode_relative(text: str) -> np.ndarray:
    """Undo SIIM's code one number at a time."""
    flat, at = np.zeros(SIZE * SIZE, dtype=bool), 0
    numbers = [int(number) for number in text.split()]
    for offset, length in zip(numbers[::2], numbers[1::2], strict=True):
        at += offset
        flat[at : at + length] = True
        at += length
    return flat.reshape(SIZE, SIZE).T


@pytest.mark.parametrize("format", sorted(SMALL))
def test_two_runs_give_the_same_bytes_and_another_seed_does_not(format: str, tmp_path: Path) -> None:
    config = {"patients": 6}
    first, again = (write(tmp_path / name, format, **config) for name in ("a", "b"))
    assert contents(first) == contents(again)
    manifests = [json.loads((tmp_path / name / f"{format}.json").read_text()) for name in ("a", "b")]
    assert manifests[0] == manifests[1]
    assert manifests[0]["n_files"] == len(contents(first)) == sum(manifests[0]["files"].values())
    other = write(tmp_path / "c", format, seed=2, **config)
    assert json.loads((tmp_path / "c" / f"{format}.json").read_text())["sha256"] != manifests[0]["sha256"]
    assert contents(other) != contents(first)


def test_a_wrong_setting_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="double is 2"):
        write(tmp_path, "siim", double=2)
    assert not list(tmp_path.iterdir())


def test_the_manifest_may_not_lie_in_the_tree(tmp_path: Path) -> None:
    arguments = ["--dataset", "a", "--format", "siim", "--seed", "1", "--config", "{}", "--out", str(tmp_path / "a")]
    with pytest.raises(InputError, match="lies inside"):
        write_phantom.main([*arguments, "--manifest", str(tmp_path / "a" / "manifest.json")])


def test_siim(trees: dict[str, Path]) -> None:
    root = trees["siim"]
    table = pd.read_csv(root / "train-rle.csv", dtype=str)
    assert list(table.columns) == ["ImageId", " EncodedPixels"]
    files = {path.stem: path for path in (root / "dicom-images-train").glob("*/*/*.dcm")}
    listed = set(table["ImageId"])
    assert len(listed - set(files)) == len(set(files) - listed) == 2
    assert len(list((root / "dicom-images-test").glob("*/*/*.dcm"))) == 3
    codes = table[" EncodedPixels"].str.strip()
    assert (codes == "-1").sum() == pytest.approx(16, abs=3)
    assert {value[0] for value in table[" EncodedPixels"]} > {" "}
    kinds = set()
    for name, path in files.items():
        ds = pydicom.dcmread(path)
        assert (ds.SOPInstanceUID, ds.SeriesInstanceUID) == (name, path.parent.name)
        assert ds.StudyInstanceUID == path.parent.parent.name
        kinds.add((ds.PhotometricInterpretation, ds.BitsStored))
    assert {("MONOCHROME2", 8), ("MONOCHROME1", 8), ("MONOCHROME2", 12)} == kinds


def test_siim_masks_are_those_drawn(trees: dict[str, Path]) -> None:
    table = pd.read_csv(trees["siim"] / "train-rle.csv", dtype=str, skipinitialspace=True)
    drawn = 0
    for spec in films_of("siim")[:12]:
        rows = table.loc[table["ImageId"] == uid(spec.seed, "sop"), "EncodedPixels"]
        mask = draw_film(spec, SIZE, film_stream(spec)).masks["pneumothorax"]
        if len(rows) and mask.any():
            drawn += 1
            assert np.array_equal(np.logical_or.reduce([decode_relative(code) for code in rows]), mask)
        else:
            assert set(rows) <= {"-1"}
    assert drawn > 3


def test_candid(trees: dict[str, Path]) -> None:
    root = trees["candid"]
    reports = pd.read_csv(root / "Pneumothorax_reports.csv", dtype=str)
    assert list(reports.columns) == ["SOPInstanceUID", "StudyInstanceUID", "Filename", "EncodedPixels", "Report"]
    files = {path.name for path in (root / "dataset").iterdir()}
    assert len(set(reports["SOPInstanceUID"]) - files) == len(files - set(reports["SOPInstanceUID"])) == 2
    assert reports["Filename"].str.fullmatch(r"P\d{5}_\d{2}").all()
    assert reports["Report"].str.contains(r"\[DATE\]").any()
    positive = reports.groupby("SOPInstanceUID")["EncodedPixels"].agg(lambda codes: codes.str.strip().ne("-1").any())
    assert positive.mean() == pytest.approx(0.5, abs=0.08)
    for name in ("chest_tube.csv", "acute_rib_fracture.csv"):
        table = pd.read_csv(root / name, dtype=str)
        assert list(table.columns) == ["anon_SOPUID", "annotation_id", "mask_rle"]
        assert {"-1"} < set(table["mask_rle"])
    tubes = pd.read_csv(root / "chest_tube.csv", dtype=str)
    assert set(tubes["anon_SOPUID"]) - set(reports["SOPInstanceUID"])
    for name in sorted(files)[:5]:
        assert pydicom.dcmread(root / "dataset" / name).SOPInstanceUID == name


def test_candid_lung_and_heart_masks(trees: dict[str, Path]) -> None:
    table = pd.read_csv(trees["candid"] / "CheXmask-CANDID-PTX.csv")
    assert list(table.columns)[:4] == ["ImageID", "Dice RCA (Mean)", "Dice RCA (Max)", "Landmarks"]
    assert list(table.columns)[4:] == ["Left Lung", "Right Lung", "Heart", "Height", "Width"]
    assert (table["Dice RCA (Mean)"] < 0.7).sum() >= 1
    assert (table["Dice RCA (Max)"] >= table["Dice RCA (Mean)"]).all()
    spec = next(spec for spec in films_of("candid") if f"{uid(spec.seed, 'sop')}.jpg" in set(table["ImageID"]))
    row = table[table["ImageID"] == f"{uid(spec.seed, 'sop')}.jpg"].iloc[0]
    assert row["Dice RCA (Mean)"] >= 0.7
    film = draw_film(spec, SIZE, film_stream(spec))
    for column, mask in (
        ("Left Lung", film.lung_sides["left"]),
        ("Right Lung", film.lung_sides["right"]),
        ("Heart", film.masks["heart"]),
    ):
        flat = np.zeros(SIZE * SIZE, dtype=bool)
        numbers = [int(number) for number in row[column].split()]
        for start, length in zip(numbers[::2], numbers[1::2], strict=True):
            flat[start - 1 : start - 1 + length] = True
        assert np.array_equal(flat.reshape(SIZE, SIZE), mask)
    points = np.array([int(number) for number in row["Landmarks"].split(",")]).reshape(-1, 2)
    assert points.shape == (44 + 50 + 26, 2)
    left = film.lung_sides["left"]
    assert all(left[y, x] for x, y in points[44:94])


def test_rsna(trees: dict[str, Path]) -> None:
    root = trees["rsna"]
    labels = pd.read_csv(root / "stage_2_train_labels.csv")
    classes = pd.read_csv(root / "stage_2_detailed_class_info.csv")
    assert list(labels.columns) == ["patientId", "x", "y", "width", "height", "Target"]
    assert list(classes.columns) == ["patientId", "class"]
    assert list(labels["patientId"]) == list(classes["patientId"])
    assert set(classes["class"]) == {"Normal", "No Lung Opacity / Not Normal", "Lung Opacity"}
    assert (classes["class"] == "Lung Opacity").equals(labels["Target"] == 1)
    boxes = labels[labels["Target"] == 1]
    assert labels.loc[labels["Target"] == 0, ["x", "y", "width", "height"]].isna().all(axis=None)
    assert boxes["patientId"].duplicated().any()
    assert ((boxes["x"] + boxes["width"]) <= SIZE).all()
    assert ((boxes["y"] + boxes["height"]) <= SIZE).all()
    assert boxes["patientId"].nunique() / labels["patientId"].nunique() == pytest.approx(0.24, abs=0.06)
    files = {path.stem: path for path in (root / "stage_2_train_images").iterdir()}
    assert len(set(labels["patientId"]) - set(files)) == len(set(files) - set(labels["patientId"])) == 2
    uuid = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
    assert all(uuid.fullmatch(name) for name in files)
    ds = pydicom.dcmread(next(iter(files.values())))
    assert ds.file_meta.TransferSyntaxUID == pydicom.uid.JPEGBaseline8Bit
    assert ds.PatientID in files
    assert ds.ViewPosition in {"PA", "AP"}
    assert ds.pixel_array.shape == (SIZE, SIZE)
    test_names = {path.stem for path in (root / "stage_2_test_images").iterdir()}
    assert test_names == set(pd.read_csv(root / "stage_2_sample_submission.csv")["patientId"])


def test_chexpert(trees: dict[str, Path]) -> None:
    root = trees["chexpert"]
    train, valid = (pd.read_csv(root / "CheXpert-v1.0-small" / f"{part}.csv") for part in ("train", "valid"))
    for table in (train, valid):
        assert list(table.columns)[:5] == ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA"]
        assert len(table.columns) == 19
        assert list(table.columns)[-2:] == ["Fracture", "Support Devices"]
        assert (
            table["Path"]
            .str.fullmatch(r"CheXpert-v1\.0-small/(train|valid)/patient\d{5}/study\d+/view\d_(frontal|lateral)\.jpg")
            .all()
        )
        assert (table["AP/PA"].isna() == (table["Frontal/Lateral"] == "Lateral")).all()
        assert set(table["Sex"]) == {"Female", "Male"}
    values = train.iloc[:, 5:].to_numpy(dtype=float)
    assert set(values[~np.isnan(values)]) == {-1.0, 0.0, 1.0}
    assert np.isnan(values).mean() > 0.3
    assert set(np.unique(valid.iloc[:, 5:])) == {0.0, 1.0}
    assert not set(train["Path"]) & set(valid["Path"])
    files = {path.relative_to(root).as_posix() for path in root.rglob("*.jpg")}
    listed = set(train["Path"]) | set(valid["Path"])
    assert len(listed - files) == len(files - listed) == 2
    with Image.open(root / valid["Path"][0]) as image:
        assert (image.size, image.mode) == ((SIZE, SIZE), "L")


def test_chexpert_labels_are_those_planned(trees: dict[str, Path]) -> None:
    valid = pd.read_csv(trees["chexpert"] / "CheXpert-v1.0-small" / "valid.csv")
    planned = [spec for spec in films_of("chexpert") if spec.split == "test"]
    assert len(valid) == len(planned)
    for (_, row), spec in zip(valid.iterrows(), planned, strict=True):
        assert {column for column in valid.columns[5:] if row[column] == 1.0} == present_labels(spec)


def test_mimic(trees: dict[str, Path]) -> None:
    root = trees["mimic"]
    split = pd.read_csv(root / "mimic-cxr-2.0.0-split.csv")
    metadata = pd.read_csv(root / "mimic-cxr-2.0.0-metadata.csv")
    labels = pd.read_csv(root / "mimic-cxr-2.0.0-chexpert.csv")
    sections = pd.read_csv(root / "mimic_cxr_sectioned.csv")
    assert list(split.columns) == ["dicom_id", "study_id", "subject_id", "split"]
    assert set(split["split"]) == {"train", "validate", "test"}
    assert split.groupby("subject_id")["split"].nunique().max() == 1
    assert list(metadata.columns)[:5] == [
        "dicom_id",
        "subject_id",
        "study_id",
        "PerformedProcedureStepDescription",
        "ViewPosition",
    ]
    assert list(metadata["dicom_id"]) == list(split["dicom_id"])
    assert set(metadata["ViewPosition"]) == {"PA", "AP", "LATERAL"}
    assert list(labels.columns) == ["subject_id", "study_id", *sorted(labels.columns[2:])]
    assert len(labels.columns) == 16
    assert list(sections.columns) == ["study", "impression", "findings", "last_paragraph", "comparison"]
    missing = 0
    for row in split.itertuples():
        study = root / f"files/p{str(row.subject_id)[:2]}/p{row.subject_id}/s{row.study_id}"
        missing += not (study / f"{row.dicom_id}.jpg").is_file()
        text = study.with_suffix(".txt").read_text()
        assert text.rstrip().endswith(sections.loc[sections["study"] == study.name, "impression"].item())
    assert missing == 2
    assert len(list(root.rglob("*.jpg"))) == len(split)
    assert len(labels) == len(sections) == labels["study_id"].nunique()
