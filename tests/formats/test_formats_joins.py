"""Identifiers in several spellings: tables are joined all the same, what finds no partner is told, and absent is unknown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.core.errors import InputError
from scripts.lib.formats import chexmask, mimic, patients, rsna
from scripts.lib.formats.keys import Join, loose, whole_number
from scripts.lib.formats.patients import read_patients
from scripts.lib.formats.registry import list_records
from tests.formats.test_formats_readers import BOXES, CANDID, CLASSES, MIMIC, by_id, files
from tests.helpers.dicom_files import dicom_bytes, ramp

ALIKE = [
    ("50000000.0", "50000000"),
    ("007", "7"),
    (" a1 ", "A1"),
    ("patient0001", "patient1"),
    ("Zo\u00eb", "Zoe\u0308"),
    ("P 12", "p12"),
    ("000", "0"),
]


@pytest.mark.parametrize(("one", "two"), ALIKE)
def test_spellings_of_one_identifier(one: str, two: str) -> None:
    assert loose(one) == loose(two)
    join: Join[int] = Join("t.csv", "id")
    join.add(one, 1)
    join.add("another", 2)
    assert join.find(two, 0) == 1 and join.missed == 0


@pytest.mark.parametrize(("one", "two"), [("1.2.840.1", "1.2.840.10"), ("10", "1"), ("a1", "a10"), ("-1", "1")])
def test_identifiers_that_are_two(one: str, two: str) -> None:
    assert loose(one) != loose(two)


@given(st.text(max_size=12))
def test_the_loose_form_is_its_own_loose_form(text: str) -> None:
    assert loose(loose(text)) == loose(text) == loose(f" {text} ")


def test_the_exact_text_goes_first_and_two_that_could_be_meant_are_refused() -> None:
    join: Join[int] = Join("t.csv", "id")
    for name, value in (("007", 1), ("07", 2), ("x", 3)):
        join.add(name, value)
    assert (join.find("007", 0), join.find("07", 0)) == (1, 2)
    with pytest.raises(InputError, match=r"t\.csv: column id has '007' and '07', and either could be '7'"):
        join.find("7", 0)


def test_most_films_without_a_partner_stop() -> None:
    join: Join[int] = Join("t.csv", "id")
    join.add("a", 1)
    assert [join.find(name, 0) for name in ("a", "b")] == [1, 0]
    join.check("labels", "labels")  # a half is not most of them
    join.find("c", 0)
    with pytest.raises(InputError, match=r"no row of labels for 2 of 3 films, e\.g\. 'b'; column id holds such as 'a'"):
        join.check("labels", "labels")
    assert whole_number("50.0") == "50" and whole_number("50.5") == "50.5"


# MIMIC ---------------------------------------------------------------------------------------------------------------


def changed(name: str, old: str, new: str) -> dict[str, str]:
    assert old in MIMIC[name]
    return {**MIMIC, name: MIMIC[name].replace(old, new)}


@pytest.mark.parametrize(
    "tables",
    [
        MIMIC,
        changed("mimic-cxr-2.0.0-chexpert__csv", ",50,", ",50.0,"),
        changed("mimic-cxr-2.0.0-chexpert__csv", ",50,", ", s50 ,"),
        changed("mimic_cxr_sectioned__csv", "s50,", "50.0,"),
        changed("mimic_cxr_sectioned__csv", "s50,", "S50.txt,"),
        changed("mimic-cxr-2.0.0-split__csv", "d1,50,10000032", "d1,50.0,10000032.0"),
        changed("mimic-cxr-2.0.0-split__csv", "d1,50,10000032", "d1,s50,p10000032"),
        changed("mimic-cxr-2.0.0-metadata__csv", "d1,PA", "D1,PA"),
    ],
)
def test_mimic_is_read_alike_in_every_spelling(tmp_path: Path, tables: dict[str, str]) -> None:
    files(tmp_path, **tables)
    record = by_id(list_records("mimic", tmp_path, {}, ["edema", "pneumonia"], None))["d1"]
    assert record.labels == {"edema": 1, "pneumonia": 0} and record.report == "Mild edema." and record.view == "PA"
    assert record.source_file == "files/p10/p10000032/s50/d1.jpg" and record.patient_id == "10000032"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("mimic-cxr-2.0.0-chexpert__csv", ",50,", ",9050,", "no row of labels for 2 of 2 films"),
        ("mimic_cxr_sectioned__csv", "s5", "t5", "no row of reports for 2 of 2 films"),
        ("mimic-cxr-2.0.0-metadata__csv", "d", "e", "metadata.*no column|no row of views for 3 of 3 films"),
    ],
)
def test_mimic_tables_that_do_not_belong_together(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    head, rows = MIMIC[name].split("\n", 1)
    files(tmp_path, **{**MIMIC, name: f"{head}\n{rows.replace(old, new)}"})
    with pytest.raises(InputError, match=message):
        list_records("mimic", tmp_path, {}, ["edema"], None)


def test_a_study_without_labels_is_unknown_and_labels_without_a_table_are_refused(tmp_path: Path) -> None:
    files(tmp_path, **MIMIC)
    records = by_id(list_records("mimic", tmp_path, {"blank": "zero"}, ["edema"], None))
    assert records["d3"].labels == {"edema": None} and records["d3"].notes[mimic.NO_LABELS] == 1
    with pytest.raises(InputError, match=r"labels: edema are wanted, but reader\.labels is null"):
        list_records("mimic", tmp_path, {"labels": None}, ["edema"], None)
    files(tmp_path, mimic_cxr_sectioned__csv="study,impression\ns50,Clear.\n")
    records = by_id(list_records("mimic", tmp_path, {}, [], None))
    assert records["d3"].notes == {mimic.NO_SECTIONS: 1} and not records["d1"].notes


# CANDID, RSNA --------------------------------------------------------------------------------------------------------


def test_candid_annotations_in_another_spelling(tmp_path: Path) -> None:
    files(tmp_path, **CANDID)
    files(tmp_path, chest_tube__csv="anon_SOPUID,ref,mask_rle\n 01.1,a,0 3\n")
    records = by_id(list_records("candid", tmp_path, {}, ["chest_tube"], None))
    assert records["1.1"].labels == {"chest_tube": 1} and records["1.2"].labels == {"chest_tube": 0}


def test_candid_annotations_of_other_films_only_are_no_sign_of_health(tmp_path: Path) -> None:
    files(tmp_path, **CANDID)
    files(tmp_path, chest_tube__csv="anon_SOPUID,ref,mask_rle\nx1,a,0 3\nx2,a,0 3\n")
    with pytest.raises(InputError, match=r"chest_tube\.csv: lists none of the films .*'x1'.*reader\.chest_tubes: null"):
        list_records("candid", tmp_path, {}, ["chest_tube"], None)
    assert list_records("candid", tmp_path, {"chest_tubes": None}, [], None).records


def test_lung_masks_of_other_films_stop(tmp_path: Path) -> None:
    files(tmp_path, **{**CANDID, "masks__csv": CANDID["masks__csv"].replace("1.1.jpg", "x").replace("1.2.jpg", "y")})
    with pytest.raises(InputError, match=r"masks\.csv: no row of lung and heart masks for 2 of 2 films"):
        list_records("candid", tmp_path, {"chexmask": "masks.csv"}, [], None)
    files(tmp_path, **{**CANDID, "masks__csv": CANDID["masks__csv"].replace("1.2.jpg", "y")})
    records = by_id(list_records("candid", tmp_path, {"chexmask": "masks.csv"}, [], None))
    assert records["1.2"].notes == {chexmask.ABSENT: 1}


@pytest.mark.parametrize("size", ["4e9", "1e300", "-4", "0.5"])
def test_a_size_of_lung_masks_that_no_film_has_allocates_nothing(tmp_path: Path, size: str) -> None:
    films = tmp_path / "dataset"
    films.mkdir()
    for name in ("1.1", "1.2"):
        (films / name).write_bytes(dicom_bytes(ramp()))
    files(tmp_path, **{**CANDID, "masks__csv": CANDID["masks__csv"].replace("7 1,4,5", f"7 1,{size},5")})
    reader = {"chexmask": "masks.csv", "chest_tubes": None, "rib_fractures": None}
    config = {"format": "candid", "reader": reader, "labels": [], "split": {"test": 0.5}, "quarantine_limit": 1.0}
    with pytest.raises(InputError, match=r"masks\.csv row 2.*(mask of 5 x|Height and Width)"):
        prepare_cohort("demo", config, tmp_path, 16, 1, tmp_path / "out")


def rsna_tree(root: Path, mappings: object = None) -> Path:
    files(root, stage_2_train_labels__csv=BOXES + "a,,,,,0\nb,1,2,3,4,1\nc,,,,,0\n")
    files(root, stage_2_detailed_class_info__csv=CLASSES + "A,Normal\nb,Lung Opacity\nc,Normal\n")
    if mappings is not None:
        (root / "m.json").write_text(mappings if isinstance(mappings, str) else json.dumps(mappings))
    return root


def entry(film: str, image: str) -> dict[str, object]:
    return {"subset_img_id": film, "img_id": image, "orig_labels": ["Pneumonia"], "StudyInstanceUID": "1.2"}


def test_rsna_patients_are_those_of_nih(tmp_path: Path) -> None:
    found = [entry("a", "00000001_000.png"), entry("b", "00000001_001.png"), entry("c", "00000002_000.png")]
    root = rsna_tree(tmp_path, [*found, entry("of the test set", "00000003_000.png")])
    listing = list_records("rsna", root, {"patients": "m.json"}, ["pneumonia"], None)
    assert [record.patient_id for record in listing.records] == ["00000001", "00000001", "00000002"]
    assert [record.image_id for record in listing.records] == ["a", "b", "c"] and not listing.notes


def test_rsna_without_patients_says_so(tmp_path: Path) -> None:
    listing = list_records("rsna", rsna_tree(tmp_path), {}, ["pneumonia"], None)
    assert [record.patient_id for record in listing.records] == ["a", "b", "c"] and listing.notes == {
        rsna.NO_PATIENTS: 3
    }


def test_a_film_that_the_mappings_lack_is_noted_and_most_of_them_stop(tmp_path: Path) -> None:
    two = [entry("a", "00000001_000.png"), entry("b", "00000001_001.png")]
    listing = list_records("rsna", rsna_tree(tmp_path, two), {"patients": "m.json"}, [], None)
    assert by_id(listing)["c"].patient_id == "c" and by_id(listing)["c"].notes == {patients.NO_ROW: 1}
    with pytest.raises(InputError, match=r"m\.json: no row of patients for 2 of 3 films, e\.g\. 'b'"):
        list_records("rsna", rsna_tree(tmp_path, two[:1]), {"patients": "m.json"}, [], None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "expected a list of mappings"),
        ("[]", "expected a list of mappings"),
        ("[1]", "entry 1: expected the texts subset_img_id and img_id"),
        ('[{"subset_img_id": "a"}]', "entry 1: expected the texts"),
        ('[{"subset_img_id": "a", "img_id": 7}]', "entry 1: expected the texts"),
        (
            '[{"subset_img_id": "a", "img_id": "1.png"}]',
            "entry 1: img_id is '1.png', expected one like 00000001_000.png",
        ),
        (
            json.dumps([entry("a", "00000001_000.png"), entry("a", "00000002_000.png")]),
            "entry 2: a is of patient 00000002",
        ),
    ],
)
def test_mappings_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        list_records("rsna", rsna_tree(tmp_path, text), {"patients": "m.json"}, [], None)
    assert "\n" not in str(caught.value) and "m.json" in str(caught.value)


@pytest.mark.parametrize("format", ["mimic", "candid", "rsna", "siim", "folder", "chexpert"])
def test_every_format_takes_a_table_of_patients(tmp_path: Path, format: str) -> None:
    from tests.formats.test_folder import FOLDER, ROWS
    from tests.formats.test_formats_readers import CHEXPERT_HEAD, FRONTAL

    files(tmp_path, **MIMIC, **CANDID, train_rle__csv="ImageId, EncodedPixels\na, 1 2\nb, 1 2\n")
    files(tmp_path, labels__csv=FOLDER + ROWS, train__csv=CHEXPERT_HEAD + FRONTAL)
    rsna_tree(tmp_path)
    extra = {"siim": {"table": "train_rle.csv"}, "chexpert": {"valid": None}, "candid": {"chest_tubes": None}}.get(
        format, {}
    )
    plain = list_records(format, tmp_path, extra, [], None)
    rows = "".join(f"{record.image_id.upper()},person {k % 2}\n" for k, record in enumerate(plain.records))
    files(
        tmp_path,
        who__csv="patient_id,image_id\n"
        + "".join(",".join(reversed(row.split(","))) + "\n" for row in rows.split("\n")[:-1]),
    )
    found = list_records(format, tmp_path, {**extra, "patients": "who.csv"}, [], None)
    assert [record.patient_id for record in found.records] == [f"person {k % 2}" for k in range(len(found.records))]
    assert (tmp_path / "who.csv") in found.tables


def test_a_table_of_patients_with_a_blank(tmp_path: Path) -> None:
    files(tmp_path, who__csv="image_id,patient_id\na,\n")
    with pytest.raises(InputError, match="row 2: column patient_id is empty"):
        read_patients(tmp_path / "who.csv")
    with pytest.raises(InputError, match="no such file"):
        read_patients(tmp_path / "who.json")
