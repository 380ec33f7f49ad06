"""Tables of the true sizes of the four datasets: the counts of the paper's Table 1 come out of readers and splits."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from scripts.lib.cohort.decode import Decoder
from scripts.lib.cohort.splits import draw_splits
from scripts.lib.formats.record import Listing, Notes
from scripts.lib.formats.registry import list_records
from tests.formats.test_formats_readers import CHEXPERT_HEAD

EDITION = "CheXpert-v1.0-small"


def counts(listing: Listing, wanted: dict) -> Counter:
    patients = [record.patient_id or record.image_id for record in listing.records]
    splits, warnings = draw_splits(patients, wanted, 1, "paper")
    assert not warnings
    return Counter(splits)


def chexpert_rows(part: str, first: int, views: dict[str, int], lateral: int, ending: str) -> str:
    """Rows of one table: five studies a patient, one lateral film in each of the first `lateral` studies.

    `views` counts what the column AP/PA says of the frontal films.
    """
    rows = []
    for k, view in enumerate(view for view, count in views.items() for _ in range(count)):
        study = f"{EDITION}/{part}/patient{first + k // 5:05d}/study{k % 5 + 1}"
        rows.append(f"{study}/view1_frontal.jpg,Female,60,Frontal,{view},{ending}\n")
        if k < lateral:
            rows.append(f"{study}/view2_lateral.jpg,Female,60,Lateral,,{ending}\n")
    return "".join(rows)


@pytest.mark.parametrize("part", [100, pytest.param(1, marks=pytest.mark.long, id="true size")])
def test_chexpert(tmp_path: Path, part: int) -> None:
    """`part`: of the films that are alike, one of so many."""
    # train.csv: 223,414 rows, 191,027 of them frontal, of which AP/PA calls 17 lateral (161,590 + 29,420 + 16 + 1);
    # valid.csv: 234 rows, 202 frontal
    views = {"AP": 161_590 // part, "PA": 29_420 // part, "LL": 16, "RL": 1}
    train = chexpert_rows("train", 1, views, 32_387 // part, ",,,,,,-1.0,,,,1.0,,,")
    valid = chexpert_rows("valid", 64_541, {"AP": 169, "PA": 30, "": 3}, 32, "0,0,0,0,0,0,1,0,0,0,1,0,0,0")
    assert (part > 1 or train.count("\n") == 223_414) and valid.count("\n") == 234
    (tmp_path / "train.csv").write_text(CHEXPERT_HEAD + train)
    (tmp_path / "valid.csv").write_text(CHEXPERT_HEAD + valid)
    listing = list_records("chexpert", tmp_path, {}, ["consolidation"], None)
    frontal = sum(views.values())
    assert Counter(record.split for record in listing.records) == {"train": frontal, "test": 202}
    assert part > 1 or (frontal, len(listing.records)) == (191_027, 191_229)  # the paper's first count
    assert listing.excluded["lateral"] == 32_387 // part + 32
    decoder = Decoder(tmp_path, 32, [], "pad", (0, 100), {}, 1024, frontal_only=True, unknown_view="exclude")
    # The end of train.csv, which is where AP/PA calls films lateral, and valid.csv; of the others, which are alike, some.
    decoded = [*listing.records[:-300:101], *listing.records[-300:]]
    assert not any(decoder._left_out(record, Notes()) for record in decoded), "nor does their decoding drop one"


def test_candid(tmp_path: Path) -> None:
    # 19,237 films; every fourth patient has three films, the others one
    rows, patient = [], 0
    while len(rows) < 19_237:
        patient += 1
        films = min(3 if patient % 4 == 0 else 1, 19_237 - len(rows))
        code = "5 9" if patient % 6 == 0 else "-1"
        rows += [f"1.{patient}.{k},2.{patient},P{patient:05d}_{k},{code},text" for k in range(films)]
    head = "SOPInstanceUID,StudyInstanceUID,filename,EncodedPixels,Report\n"
    (tmp_path / "Pneumothorax_reports.csv").write_text(head + "\n".join(rows) + "\n")
    reader = {"chest_tubes": None, "rib_fractures": None}
    listing = list_records("candid", tmp_path, reader, ["pneumothorax"], None)
    expected = {"generator": 17_237, "train": 1_600, "test": 400}
    assert counts(listing, {"generator": 17_237, "test": 0.2}) == expected


def test_siim(tmp_path: Path) -> None:
    # Stage 1: 10,679 films, 2,379 with a pneumothorax, some of them in several rows
    rows = [f"film{k}, -1" for k in range(8_300)]
    rows += [f"film{k}, {j} 5" for k in range(8_300, 10_679) for j in range(1 + (k % 4 == 0))]
    (tmp_path / "train-rle.csv").write_text("ImageId, EncodedPixels\n" + "\n".join(rows) + "\n")
    listing = list_records("siim", tmp_path, {}, ["pneumothorax"], None)
    assert listing.excluded["without pneumothorax"] == 8_300
    assert counts(listing, {"test": 0.2}) == {"train": 1_903, "test": 476}


def test_rsna(tmp_path: Path) -> None:
    # 26,684 patients, 6,012 of them with 9,555 boxes: 3,543 have a second one; 30,227 rows in each table
    boxes, classes = [], []
    for k in range(26_684):
        sick = k < 6_012
        times = 2 if k < 3_543 else 1
        boxes += [f"p{k},{j},0,9,9,1" if sick else f"p{k},,,,,0" for j in range(times)]
        classes += [f"p{k},{'Lung Opacity' if sick else 'Normal'}"] * times
    assert len(boxes) == 30_227
    (tmp_path / "stage_2_train_labels.csv").write_text("patientId,x,y,width,height,Target\n" + "\n".join(boxes) + "\n")
    (tmp_path / "stage_2_detailed_class_info.csv").write_text("patientId,class\n" + "\n".join(classes) + "\n")
    listing = list_records("rsna", tmp_path, {"box_masks": True}, ["pneumonia"], None)
    assert sum(record.labels["pneumonia"] for record in listing.records) == 6_012
    assert sum(len(mask.data) for record in listing.records for mask in record.masks) == 9_555
    assert counts(listing, {"test": 4_800}) == {"train": 21_884, "test": 4_800}


def test_rsna_by_patient(tmp_path: Path) -> None:
    # 26,684 films of 11,439 patients: every patient has two films, and 3,806 a third one (2 x 11,439 + 3,806 = 26,684)
    films = [f"{patient:08d}_{k:03d}" for patient in range(11_439) for k in range(3 if patient < 3_806 else 2)]
    assert len(films) == 26_684
    rows = [f"k{k},,,,,0" for k in range(len(films))]
    (tmp_path / "stage_2_train_labels.csv").write_text("patientId,x,y,width,height,Target\n" + "\n".join(rows) + "\n")
    entries = [{"subset_img_id": f"k{k}", "img_id": f"{name}.png", "orig_labels": []} for k, name in enumerate(films)]
    (tmp_path / "mappings.json").write_text(json.dumps(entries))
    listing = list_records("rsna", tmp_path, {"classes": None, "patients": "mappings.json"}, ["pneumonia"], None)
    assert len({record.patient_id for record in listing.records}) == 11_439 and not listing.notes
    assert counts(listing, {"test": 4_800}) == {"train": 21_884, "test": 4_800}
    splits, _ = draw_splits([record.patient_id for record in listing.records], {"test": 4_800}, 1, "paper")
    sides = {(record.patient_id, split) for record, split in zip(listing.records, splits)}
    assert len(sides) == 11_439, "no patient on two sides"
