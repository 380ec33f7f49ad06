"""What each reader makes of small tables in its format, and which contradictions stop it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats import candid, chexmask, mimic
from scripts.lib.formats.chexmask import image_key
from scripts.lib.formats.record import Listing
from scripts.lib.formats.registry import list_records
from scripts.lib.formats.tables import Table

CHEXPERT_HEAD = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices\n"
)
FIVE = ["atelectasis", "cardiomegaly", "consolidation", "edema", "pleural_effusion"]


def files(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = root / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def by_id(listing: Listing) -> dict:
    return {record.image_id: record for record in listing.records}


def chexpert(root: Path, train: str, valid: str, **reader: object) -> Listing:
    files(root, train__csv=CHEXPERT_HEAD + train, valid__csv=CHEXPERT_HEAD + valid)
    return list_records("chexpert", root, reader, FIVE, None)


FRONTAL = (
    "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,,,-1.0,,,-1.0,,,,,1.0,,,\n"
)
LATERAL = "CheXpert-v1.0-small/train/patient00001/study1/view2_lateral.jpg,Female,68,Lateral,,,,1.0,,,,,,,,,,,\n"
VALID = "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,PA,0,0,0,0,0,0,0,0,1,0,0,0,0,0\n"


def test_chexpert(tmp_path: Path) -> None:
    listing = chexpert(tmp_path, FRONTAL + LATERAL, VALID)
    records = by_id(listing)
    assert list(records) == ["patient00001-study1-view1_frontal", "patient64541-study1-view1_frontal"]
    first, second = records.values()
    assert first.source_file == "train/patient00001/study1/view1_frontal.jpg"
    assert (first.patient_id, first.sex, first.age, first.view, first.split) == ("patient00001", "F", 68, "AP", "train")
    assert first.labels == dict(zip(FIVE, (0, 0, 0, 1, 1)))  # blank, -1 -> 0, blank, -1 -> 1, 1 under MGCA's policy
    assert (second.split, second.labels["atelectasis"]) == ("test", 1)
    assert listing.excluded["lateral"] == 1 and len(listing.listed) == 3


def test_chexpert_keeps_lateral_films_and_unknown_labels_when_asked(tmp_path: Path) -> None:
    options = {"frontal_only": False, "uncertainty": "ignore", "blank": "ignore"}
    records = by_id(chexpert(tmp_path, FRONTAL + LATERAL, VALID, **options))
    assert records["patient00001-study1-view2_lateral"].view == "LL"
    assert records["patient00001-study1-view1_frontal"].labels == dict(zip(FIVE, (None, None, None, None, 1)))


def test_chexpert_below_its_edition_folder(tmp_path: Path) -> None:
    files(tmp_path / "CheXpert-v1.0", train__csv=CHEXPERT_HEAD + FRONTAL)
    listing = list_records("chexpert", tmp_path, {"train": "CheXpert-v1.0/train.csv", "valid": None}, FIVE, None)
    assert listing.records[0].source_file == "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg"
    assert listing.folders == ("CheXpert-v1.0/train",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (FRONTAL.replace(",1.0,", ",2.0,"), "row 2 column Pleural Effusion: label '2.0'"),
        (FRONTAL + FRONTAL.replace("Female", "Male"), "row 3: Path .* already in row 2"),
        (FRONTAL.replace("small/train", "small/../../x"), "'..'"),
    ],
)
def test_chexpert_mistakes(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chexpert(tmp_path, row, VALID)


def test_unknown_label_and_policy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column for label 'covid'"):
        files(tmp_path, train__csv=CHEXPERT_HEAD + FRONTAL)
        list_records("chexpert", tmp_path, {"valid": None}, ["covid"], None)
    with pytest.raises(InputError, match="uncertainty is 'maybe'"):
        chexpert(tmp_path, FRONTAL, VALID, uncertainty="maybe")
    with pytest.raises(InputError, match="'pneumonia' is no label of format siim"):
        list_records("siim", tmp_path, {}, ["pneumonia"], None)


CANDID = {
    "Pneumothorax_reports__csv": (
        "SOPInstanceUID,StudyInstanceUID,filename,EncodedPixels,Report\n"
        '1.1,2.1,P001_01,4 2,"Pneumothorax,\nleft."\n1.1,2.1,P001_01,9 2,"Pneumothorax,\nleft."\n'
        "1.2,2.2,P002_01, -1,Clear.\n1.3,2.3,P003_01,-1,Clear.\n1.3,2.3,P004_01,-1,Clear.\n"
    ),
    "chest_tube__csv": "anon_SOPUID,ref,mask_rle\n1.1,a,0 3\n1.2,a,-1\n9.9,a,0 3\n",
    "acute_rib_fracture__csv": "anon_SOPUID,ref,mask_rle\n1.2,a,5 1\n",
    "masks__csv": (
        "ImageID,Dice RCA (Mean),Dice RCA (Max),Landmarks,Left Lung,Right Lung,Heart,Height,Width\n"
        '1.1.jpg,0.9,0.95,"1,2",1 2,4 1,7 1,4,5\n1.2.jpg,0.5,0.6,"1,2",1 2,4 1,7 1,4,5\n'
    ),
}


def test_candid(tmp_path: Path) -> None:
    files(tmp_path, **CANDID)
    listing = list_records("candid", tmp_path, {"chexmask": "masks.csv"}, ["pneumothorax", "chest_tube"], None)
    records = by_id(listing)
    first = records["1.1"]
    assert first.labels == {"pneumothorax": 1, "chest_tube": 1} and first.patient_id == "P001"
    assert first.source_file == "dataset/1.1" and first.report == "Pneumothorax,\nleft."
    drawn = {(mask.structure, mask.kind, mask.data) for mask in first.masks}
    assert ("pneumothorax", "runs", ("4 2", "9 2")) in drawn and ("lungs", "rows", ("4 1",)) in drawn
    assert first.annotated == ("pneumothorax", "rib_fracture", "chest_tube", "lungs", "heart")
    second = records["1.2"]  # its CheXmask quality is below 0.7
    assert second.annotated == ("pneumothorax", "rib_fracture", "chest_tube")
    assert second.labels == {"pneumothorax": 0, "chest_tube": 0}
    assert [item.image_id for item in listing.rejected] == ["1.3"] and "two patients" in listing.rejected[0].reason
    assert listing.structures == ["lungs", "heart", "pneumothorax", "rib_fracture", "chest_tube"]
    assert sum(listing.notes.values()) == 1 and listing.notes.examples == {candid.STRANGERS: ["9.9"]}
    assert second.notes == {chexmask.POOR: 1} and not first.notes


def test_candid_without_or_only_with_good_lung_masks(tmp_path: Path) -> None:
    files(tmp_path, **CANDID)
    assert list_records("candid", tmp_path, {}, [], None).structures == ["pneumothorax", "rib_fracture", "chest_tube"]
    strict = {"chexmask": "masks.csv", "chexmask_missing": "exclude"}
    assert list(by_id(list_records("candid", tmp_path, strict, [], None))) == ["1.1"]
    with pytest.raises(InputError, match="'lungs' is not annotated"):
        list_records("candid", tmp_path, {}, [], ["lungs"])


def test_candid_mistakes(tmp_path: Path) -> None:
    files(tmp_path, **CANDID)
    files(tmp_path, chest_tube__csv="anon_SOPUID,ref,mask_rle\n1.1,a,0 3\n1.1,b,-1\n")
    with pytest.raises(InputError, match=r"chest_tube\.csv row 2: one row says -1"):
        list_records("candid", tmp_path, {}, [], None)


@pytest.mark.parametrize(
    ("text", "key"),
    [("4.1.46.9.jpg", "4.1.46.9"), ("4.1.46.9", "4.1.46.9"), ("a/b/c.png", "c"), ("02aa-17b1", "02aa-17b1")],
)
def test_chexmask_identifiers(text: str, key: str) -> None:
    assert image_key(text) == key


def test_siim(tmp_path: Path) -> None:
    files(tmp_path, train_rle__csv="ImageId, EncodedPixels\na, 4 2\na, 9 2\nb,-1\nc, -1\nd, 1 1\n")
    deep = tmp_path / "dicom-images-train" / "study" / "series"
    deep.mkdir(parents=True)
    (deep / "a.dcm").touch()
    listing = list_records("siim", tmp_path, {"table": "train_rle.csv"}, ["pneumothorax"], None)
    records = by_id(listing)
    assert list(records) == ["a", "d"] and listing.excluded["without pneumothorax"] == 2
    assert records["a"].source_file == "dicom-images-train/study/series/a.dcm"
    assert records["a"].masks[0].data == ("4 2", "9 2")
    everyone = {"table": "train_rle.csv", "positives_only": False}
    labels = [
        record.labels["pneumothorax"]
        for record in list_records("siim", tmp_path, everyone, ["pneumothorax"], None).records
    ]
    assert labels == [1, 0, 0, 1]


def test_siim_two_files_of_one_name(tmp_path: Path) -> None:
    files(tmp_path, train_rle__csv="ImageId, EncodedPixels\na, 4 2\n")
    for study in ("s1", "s2"):
        files(tmp_path / "dicom-images-train" / study, a__dcm="x")
    with pytest.raises(InputError, match="have the same name"):
        list_records("siim", tmp_path, {"table": "train_rle.csv"}, [], None)


BOXES = "patientId,x,y,width,height,Target\n"
CLASSES = "patientId,class\n"


def rsna(root: Path, rows: str, classes: str, **reader: object) -> Listing:
    files(root, stage_2_train_labels__csv=BOXES + rows, stage_2_detailed_class_info__csv=CLASSES + classes)
    return list_records("rsna", root, reader, ["pneumonia"], None)


def test_rsna(tmp_path: Path) -> None:
    rows = "a,,,,,0\nb,1,2,3,4,1\nb,5.0,6.0,1,1,1\nb,1,2,3,4,1\nc,,,,,0\n"
    classes = "a,Normal\nb,Lung Opacity\nb,Lung Opacity\nc,No Lung Opacity / Not Normal\n"
    listing = rsna(tmp_path, rows, classes, box_masks=True)
    records = by_id(listing)
    assert [record.labels["pneumonia"] for record in listing.records] == [0, 1, 0]
    assert records["b"].masks[0].data == ((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 1.0, 1.0))
    assert records["b"].patient_id == "b" and listing.structures == ["pneumonia"]
    assert not rsna(tmp_path, rows, classes).structures


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [
        ("a,1,2,3,4,1\na,,,,,0\n", "a,Lung Opacity\n", "row 3: Target 0, but row 2 says 1"),
        ("a,1,2,3,4,0\n", "a,Normal\n", "row 2: Target 0 with 4 of 4"),
        ("a,1,2,3,,1\n", "a,Lung Opacity\n", "3 of 4 box fields"),
        ("a,1,2,-3,4,1\n", "a,Lung Opacity\n", "positive width"),
        ("a,,,,,\n", "a,Normal\n", "Target is ''"),
        ("a,,,,,0\n", "a,Lung Opacity\n", "Target 0, but stage_2_detailed_class_info.csv says 'Lung Opacity'"),
        ("a,,,,,0\n", "b,Normal\n", "says 'nothing'"),
        ("a,,,,,0\n", "a,Normal\na,Lung Opacity\n", "row 3: patientId a is already in row 2"),
        ("../a,,,,,0\n", "a,Normal\n", "holds a path"),
    ],
)
def test_rsna_mistakes(tmp_path: Path, rows: str, classes: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rsna(tmp_path, rows, classes)


MIMIC = {
    "mimic-cxr-2.0.0-split__csv": (
        "dicom_id,study_id,subject_id,split\nd1,50,10000032,train\nd2,50,10000032,train\nd3,51,10000980,validate\n"
    ),
    "mimic-cxr-2.0.0-metadata__csv": "dicom_id,ViewPosition,Rows\nd1,PA,9\nd2,LATERAL,9\nd3,AP,9\n",
    "mimic-cxr-2.0.0-chexpert__csv": "subject_id,study_id,Edema,Pneumonia\n10000032,50,1.0,-1.0\n",
    "mimic_cxr_sectioned__csv": 'study,impression,findings\ns50,"Mild\nedema.",x\ns51,,y\n',
}


def test_mimic(tmp_path: Path) -> None:
    files(tmp_path, **MIMIC)
    listing = list_records("mimic", tmp_path, {}, ["edema", "pneumonia"], None)
    records = by_id(listing)
    assert list(records) == ["d1", "d3"] and listing.excluded["lateral"] == 1
    assert records["d1"].source_file == "files/p10/p10000032/s50/d1.jpg"
    assert (records["d1"].report, records["d1"].view, records["d1"].split) == ("Mild edema.", "PA", "train")
    assert records["d1"].labels == {"edema": 1, "pneumonia": 0} and records["d3"].report is None
    assert (
        records["d3"].notes == {mimic.NO_LABELS: 1, mimic.NO_IMPRESSION: 1} and not records["d1"].notes
    )  # study 51 has no row of labels
    assert records["d3"].labels == {"edema": None, "pneumonia": None}, "unknown, not healthy"
    assert (records["d1"].findings, records["d3"].findings) == ("x", "y")


def test_mimic_report_files(tmp_path: Path) -> None:
    files(tmp_path, **MIMIC)
    listing = list_records("mimic", tmp_path, {"reports": None}, [], None)
    assert by_id(listing)["d1"].report_file == "files/p10/p10000032/s50.txt"


@pytest.mark.parametrize(
    ("change", "message"), [(("validate", "val"), "row 4: split 'val'"), (("10000980", "p/../x"), "whole numbers")]
)
def test_mimic_mistakes(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    files(tmp_path, **{**MIMIC, "mimic-cxr-2.0.0-split__csv": MIMIC["mimic-cxr-2.0.0-split__csv"].replace(*change)})
    with pytest.raises(InputError, match=message):
        list_records("mimic", tmp_path, {}, [], None)


def test_missing_root_says_where_to_get_the_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kaggle.com"):
        list_records("rsna", tmp_path / "none", {}, [], None)


def test_schema_samples(real_films: Path) -> None:
    samples = real_films / "schema_samples"
    rows = list(Table(samples / "chexpert_train.csv"))
    listing = list_records("chexpert", samples, {"train": "chexpert_train.csv", "valid": None}, FIVE, None)
    assert len(listing.records) + listing.excluded["lateral"] == len({row["Path"] for row in rows})
    siim = list_records("siim", samples, {"table": "siim_train-rle.csv"}, ["pneumothorax"], None)
    negatives = siim.excluded["without pneumothorax"]
    assert len(siim.records) + negatives == len({row["ImageId"] for row in Table(samples / "siim_train-rle.csv")})
    names = {
        "table": "rsna_stage_2_train_labels.csv",
        "classes": "rsna_stage_2_detailed_class_info.csv",
        "box_masks": True,
    }
    rsna_listing = list_records("rsna", samples, names, ["pneumonia"], None)
    assert sum(record.labels["pneumonia"] for record in rsna_listing.records) == sum(
        bool(r.masks) for r in rsna_listing.records
    )
