"""Flipped bytes in tables: whatever they make of a file, it is read, a film is quarantined, or one line says what is wrong."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.log import Rating, RatingLog, read_ratings
from tests.formats.test_formats_joins import entry
from tests.helpers.dicom_files import dicom_bytes

FLIPS, SECONDS = 150, 10.0
SIDE = 8


def flipped(data: bytes, number: int) -> bytes:
    """Return the bytes with 1 to 4 of them changed, always the same ones for a number; of three in four numbers it stays ASCII."""
    draw = np.random.default_rng([20, number])
    changed = bytearray(data)
    for place in draw.integers(0, len(data), int(draw.integers(1, 5))):
        changed[place] ^= int(draw.integers(1, 128 if number % 4 else 256))
    return bytes(changed)


def film(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def write_dicom(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dicom_bytes(film(number), SOPInstanceUID=f"1.{number}", PatientID=f"p{number}"))


def siim(root: Path) -> tuple[str, dict]:
    rows = ["ImageId, EncodedPixels"]
    for k in range(6):
        write_dicom(root / "dicom-images-train" / f"film{k}.dcm", k)
        rows.append(f"film{k}, {k} 2 6 3 {k + 1} 4")
    (root / "train-rle.csv").write_text("\n".join(rows) + "\n")
    return "train-rle.csv", {"format": "siim", "labels": ["pneumothorax"], "reader": {}}


def candid(root: Path) -> tuple[str, dict]:
    rows = ["SOPInstanceUID,StudyInstanceUID,filename,EncodedPixels,Report"]
    for k in range(6):
        write_dicom(root / "dataset" / f"1.{k}", k)
        rows.append(f'1.{k},2.{k},P{k:05d}_01,{k} 2 6 3,"Report\nno. {k}"')
    (root / "Pneumothorax_reports.csv").write_text("\n".join(rows) + "\n")
    return "Pneumothorax_reports.csv", {
        "format": "candid",
        "labels": ["pneumothorax"],
        "reader": {"chest_tubes": None, "rib_fractures": None},
    }


def chexmask(root: Path) -> tuple[str, dict]:
    _, config = candid(root)
    rows = ["ImageID,Dice RCA (Mean),Landmarks,Left Lung,Right Lung,Heart,Height,Width"]
    rows += [f'1.{k}.jpg,0.9,"1,2",{k + 1} 3 20 2,30 4 40 2,50 {k + 1},{SIDE},{SIDE}' for k in range(6)]
    (root / "masks.csv").write_text("\n".join(rows) + "\n")
    return "masks.csv", {**config, "reader": {**config["reader"], "chexmask": "masks.csv"}}


def folder(root: Path) -> tuple[str, dict]:
    rows = ["image_id,file,patient_id,sick,view,sex,age,report,mask_file"]
    (root / "i").mkdir(parents=True)
    for k in range(6):
        Image.fromarray(film(k)).save(root / "i" / f"{k}.png")
        Image.fromarray(np.uint8(255 * (film(k) > 100))).save(root / "i" / f"m{k}.png")
        rows.append(f"f{k},i/{k}.png,p{k},{k % 2},PA,F,{40 + k},Clear.,i/m{k}.png")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return "labels.csv", {"format": "folder", "labels": ["sick"], "structures": ["lungs"], "reader": {}}


def rsna(root: Path) -> tuple[str, dict]:
    rows = ["patientId,x,y,width,height,Target"]
    for k in range(6):
        write_dicom(root / "stage_2_train_images" / f"film{k}.dcm", k)
        rows.append(f"film{k},1,2,3,4,1" if k % 2 else f"film{k},,,,,0")
    (root / "stage_2_train_labels.csv").write_text("\n".join(rows) + "\n")
    (root / "m.json").write_text(json.dumps([entry(f"film{k}", f"{k // 2:08d}_{k % 2:03d}.png") for k in range(6)]))
    return "m.json", {"format": "rsna", "labels": ["pneumonia"], "reader": {"classes": None, "patients": "m.json"}}


@pytest.mark.parametrize("make", [siim, candid, chexmask, folder, rsna])
def test_tables(tmp_path: Path, make: Callable[[Path], tuple[str, dict]]) -> None:
    root = tmp_path / "raw"
    name, settings = make(root)
    config = {**settings, "split": {"test": 0.34}, "quarantine_limit": 1.0, "noted_limit": 1.0}
    whole = (root / name).read_bytes()
    start, ends = time.monotonic(), Counter()
    prepare_cohort("demo", config, root, 16, 1, tmp_path / "out")  # untouched, it is read
    for number in range(FLIPS):
        (root / name).write_bytes(flipped(whole, number))
        try:
            prepare_cohort("demo", config, root, 16, 1, tmp_path / "out")
            rejected = (tmp_path / "out" / "quarantine.tsv").read_text().count("\n") > 1
            ends["quarantine" if rejected else "value"] += 1
        except InputError as error:
            assert "\n" not in str(error) and str(error), number
            ends["line"] += 1
    assert ends.total() == FLIPS and ends["line"] and ends["value"] + ends["quarantine"]
    assert time.monotonic() - start < 6 * SECONDS, "150 flips within seconds, on a busy machine, too"


def test_rating_log(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    log = RatingLog(path, session="s")
    log.extend([Rating(f"rater {k % 2}", f"set-{k // 2}", "shared", k // 2, k % 4, "text", k % 6) for k in range(24)])
    whole, ends = path.read_bytes(), Counter()
    start = time.monotonic()
    for number in range(FLIPS):
        path.write_bytes(flipped(whole, number))
        try:
            latest, history, _ = read_ratings(path)
            assert len(latest) <= len(history) <= 24
            assert latest["score"].between(0, 5).all()
            ends["value"] += 1
        except InputError as error:
            assert str(error) and "\n" not in str(error), number
            ends["line"] += 1
    assert ends.total() == FLIPS and ends["line"]
    assert time.monotonic() - start < SECONDS
