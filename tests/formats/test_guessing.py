"""What the columns of somebody's table seem to be: labels in words, patients under other names, semicolons."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts.lib.core.errors import InputError
from scripts.lib.formats import guessing
from scripts.lib.formats.guessing import folders_of, guess_table
from scripts.lib.formats.guessing_labels import label_of, listed_labels
from scripts.lib.formats.registry import list_records
from scripts.lib.formats.starting import overlay_lines

WORDS = ("Pneumonia", "normal")


def written(folder: Path, header: str, row: str, films: int = 40, separator: str = ",") -> Path:
    """Write a table of films, two a patient; `row` holds {n}, {p} and {word}."""
    lines = [header, *(row.format(n=n, p=n // 2, word=WORDS[n % 4 > 0]) for n in range(films))]
    table = folder / "export.csv"
    table.write_text("\n".join(line.replace(",", separator) for line in lines) + "\n")
    return table


@pytest.mark.parametrize(
    ("column", "cells", "name", "words", "share"),
    [
        ("Pneumonia?", ["Yes", "no", "NO", "", "no"], "pneumonia", {"Yes": 1, "no": 0}, 1 / 4),
        ("Befund", ["ja", "nein"], "befund", {"ja": 1, "nein": 0}, 1 / 2),
        ("Diagnosis", ["normal", "Pleural effusion"], "pleural_effusion", {"Pleural effusion": 1, "normal": 0}, 1 / 2),
        ("Finding", ["edema", "no edema", "edema"], "edema", {"edema": 1, "no edema": 0}, 2 / 3),
        ("Entzündung", ["ja", "nein"], "entzundung", {"ja": 1, "nein": 0}, 1 / 2),
        ("sick", ["TRUE", "FALSE"], "sick", {"TRUE": 1, "FALSE": 0}, 1 / 2),
        ("sick", ["1", "0", "-1", ""], "sick", {}, 1 / 2),
    ],
)
def test_columns_that_are_labels(column: str, cells: list[str], name: str, words: dict[str, int], share: float) -> None:
    found = label_of(column, cells)
    assert found is not None and (found.name, found.words, found.positive) == (name, words, share)


@pytest.mark.parametrize("cells", [["COVID", "flu"], ["yes", "no", "maybe"], ["1", "1"], ["no", "no"], [""], []])
def test_columns_that_are_none(cells: list[str]) -> None:
    assert label_of("x", cells) is None


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["Effusion|Edema", "No Finding", "Effusion", "No Finding"], {"effusion": 2 / 4, "edema": 1 / 4}),
        (["COVID", "Normal", "Viral Pneumonia", "Viral Pneumonia"], {"viral_pneumonia": 2 / 4, "covid": 1 / 4}),
        (["['edema', 'nodule']", "['normal']", "['nodule']", "['edema']"], {"edema": 2 / 4, "nodule": 2 / 4}),
        (["a;b", "b", "a", ""], {"a": 2 / 3, "b": 2 / 3}),
        (["COVID", "flu", "cold"], {}),  # nothing says who is healthy
        (["normal", "flu"], {}),  # two words are a label of their own
        (["Right lung, clear.", "Left lung, no effusion.", "Heart, large."], {}),  # sentences
        (["2020-01-01", "2020-01-02", "normal"], {}),
        (["0", "1", "2"], {}),
        (["", ""], {}),
    ],
)
def test_columns_that_list_findings(cells: list[str], found: dict[str, float]) -> None:
    assert {label.name: label.positive for label in listed_labels("x", cells)} == found


def test_a_table_like_that_of_nih_becomes_a_study_that_its_reader_takes(tmp_path: Path) -> None:
    """The sex is no label, though M and F read like yes and no: of four films one lists both findings, one the effusion alone."""
    found = ("No Finding", "Effusion|Pleural_Thickening", "Effusion", "No Finding")
    header = "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position"
    lines = [f"{n}.png,{found[n % 4]},{n // 2},{30 + n},{'MF'[n % 2]},PA" for n in range(40)]
    table = tmp_path / "Data_Entry_2017.csv"
    table.write_text("\n".join([header, *lines]) + "\n")
    text = "\n".join(overlay_lines(guess_table(table), tmp_path))
    section = yaml.safe_load(text)["datasets"]["mine"]
    assert section["target"] == "effusion" and section["reader"]["findings"] == "Finding Labels"
    assert "the commonest finding of column Finding Labels; others: pleural_thickening" in text
    listing = list_records("folder", tmp_path, section["reader"], ["pleural_thickening", "effusion"], None)
    known = {record.image_id: record for record in listing.records}
    assert [known[f"{n}.png"].labels for n in range(3)] == [
        {"pleural_thickening": 0, "effusion": 0}, {"pleural_thickening": 1, "effusion": 1}, {"pleural_thickening": 0, "effusion": 1}
    ]  # fmt: skip
    assert (known["1.png"].sex, known["1.png"].age, known["1.png"].view) == ("F", 31, "PA")


@pytest.mark.parametrize(
    ("column", "cell", "ours", "found"),
    [
        ("PatientSex_DICOM", "F", "sex", True),
        ("sex_of_reader", "unclear", "sex", False),
        ("Age at exam", "045Y", "age", True),
        ("age_group", "elderly", "age", False),
        ("Patient Gender", "M", "sex", True),
        ("PatientSex", "M", "sex", True),
        ("patients_age", "61", "age", True),
    ],
)
def test_sex_and_age_are_found_by_their_first_word_and_their_values(
    tmp_path: Path, column: str, cell: str, ours: str, found: bool
) -> None:
    guess = guess_table(written(tmp_path, f"file,{column},Befund", f"{{n}}.png,{cell},{{word}}"))
    assert (guess.columns.get(ours) == column) == found


@pytest.mark.parametrize("name", ["dataset", "Split"])
def test_a_split_in_other_words_is_found_by_what_it_says(tmp_path: Path, name: str) -> None:
    lines = [f"{n}.png,p{n},{n % 2},{('training', 'Valid', 'testing')[n % 3]}" for n in range(12)]
    table = tmp_path / "films.csv"
    table.write_text("\n".join([f"file,patient,sick,{name}", *lines]) + "\n")
    guess = guess_table(table)
    assert guess.split == {"train", "validate", "test"} and guess.columns["split"] == name
    section = yaml.safe_load("\n".join(overlay_lines(guess, tmp_path)))["datasets"]["mine"]
    records = list_records("folder", tmp_path, section["reader"], ["sick"], None).records
    split = {record.image_id: record.split for record in records}
    assert [split[f"{n}.png"] for n in range(3)] == ["train", "validate", "test"]


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_hospitals_export_becomes_a_study_that_its_reader_takes(tmp_path: Path, separator: str) -> None:
    row = "A{n},xray/{n}.png,48{p:03},{word},weiblich,61"
    table = written(tmp_path, "Accession No,Filename,MRN,Diagnosis,Geschlecht,Age", row, separator=separator)
    guess = guess_table(table)
    assert (guess.rows, guess.patients, guess.columns["patient_id"]) == (40, 20, "MRN")
    text = "\n".join(overlay_lines(guess, tmp_path))
    section = yaml.safe_load(text)["datasets"]["mine"]
    assert section["target"] == "pneumonia" and "column Diagnosis: Pneumonia = 1, normal = 0" in text
    assert len(text.splitlines()) <= 10 and "25% of the films with pneumonia" in text
    records = list_records("folder", tmp_path, section["reader"], ["pneumonia"], None).records
    # Every fourth film of 40 is ill, and two films share a patient.
    assert sum(record.labels["pneumonia"] or 0 for record in records) == 10
    assert len({record.patient_id for record in records}) == 20 and (records[3].sex, records[3].age) == ("F", 61)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("Patient No.", True),
        ("Pat-ID", True),
        ("Patientennummer", True),
        ("Patient Age", False),
        ("Patientname", False),
        ("PatientSex_DICOM", False),
        ("PatientID", True),
    ],
)
def test_whose_film_it_is(tmp_path: Path, column: str, found: bool) -> None:
    guess = guess_table(written(tmp_path, f"file,{column},Befund", "{n}.png,c{p},{word}"))
    assert (guess.columns["patient_id"] == column) == found
    assert guess.patients == (20 if found else 40)


def test_a_column_that_repeats_as_patients_do_is_named_and_not_taken(tmp_path: Path) -> None:
    guess = guess_table(written(tmp_path, "file,KIS,Befund", "{n}.png,c{p},{word}"))
    assert guess.patients == 40 and guess.reasons["patient_id"].endswith("if one does, write it: KIS?")


def test_what_is_said_where_no_column_is_a_label(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"which word of kind \(a, b\) is 1"):
        table = tmp_path / "kinds.csv"
        table.write_text("file,kind\n1.png,a\n2.png,b\n")
        guess_table(table)
    with pytest.raises(InputError, match="sick is 1 on every film: one class cannot be told from nothing"):
        guess_table(written(tmp_path, "file,sick", "{n}.png,1"))
    with pytest.raises(InputError, match=r"sick has 3 values \(a, b, c, \.\.\.\): give each finding a column"):
        table.write_text("file,sick\n" + "".join(f"{n}.png,{'abc'[n % 3]}\n" for n in range(9)))
        guess_table(table)
    with pytest.raises(InputError, match=r"learn; from which grade of sick \(0, 1, 2\) on is it 1\? Write 1 and 0"):
        table.write_text("file,day,sick\n" + "".join(f"{n}.png,2020-01-0{n % 2 + 1},{n % 3}\n" for n in range(9)))
        guess_table(table)
    with pytest.raises(
        InputError, match="the columns are file, mask; a study of masks learns words from labels or reports"
    ):
        table.write_text("file,mask\n1.png,m1.png\n2.png,m2.png\n")
        guess_table(table)
    with pytest.raises(InputError, match="first line names films"):
        table.write_text("1.png,yes\n2.png,no\n")
        guess_table(table)
    with pytest.raises(InputError, match="sick is flu on every film: one class cannot be told from nothing"):
        guess_table(written(tmp_path, "file,sick", "{n}.png,flu"))


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("Path,Sex,Age,Frontal/Lateral,AP/PA,Edema", "p{n}/{n}.jpg,Male,60,Frontal,AP,1.0", "the format chexpert reads it"),
        ("patientId,x,y,width,height,Target", "{n},1,2,3,4,{word}", "the format rsna reads it, and knows whose"),
        ("patientId,file,x,y,width,height,Target", "{n},{n}.png,1,2,3,4,{word}", "the format rsna reads it"),
        ("dicom_id,study_id,subject_id,split", "{n},{n},{p},train", "the format mimic reads it"),
        ("ImageId, EncodedPixels", "{n},-1", "the format siim reads it"),
        ("file,finding", "{p}.png,{word}", "several rows a film, e.g. 2 with 0.png; expected one: write the findings"),
    ],
)  # fmt: skip
def test_tables_that_another_format_reads_and_those_of_single_findings(
    tmp_path: Path, header: str, row: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        guess_table(written(tmp_path, header, row))


def test_a_table_of_ones_own_with_the_patients_of_a_published_one_is_taken(tmp_path: Path) -> None:
    row = "{n},s{n},1{p:03},files/{n}.jpg,{word}"
    guess = guess_table(written(tmp_path, "dicom_id,study_id,subject_id,path,finding", row))
    assert guess.columns["patient_id"] == "subject_id" and guess.patients == 20


@pytest.mark.parametrize(
    ("cell", "file", "folder"),
    [("{n}.png", "0.png", ""), ("{n}.png", "xray/2024/0.png", "xray/2024"), ("2024/{n}.png", ".x/2024/0.png", ".x")],
)
def test_the_folder_that_a_column_leaves_out_is_found(tmp_path: Path, cell: str, file: str, folder: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    guess = guess_table(written(tmp_path, "file,sick", f"{cell},{{word}}"))
    guess.folders = folders_of(guess, tmp_path)
    section = yaml.safe_load("\n".join(overlay_lines(guess, tmp_path)))["datasets"]["mine"]
    assert section["reader"].get("images", "") == folder
    records = list_records("folder", tmp_path, section["reader"], [section["target"]], None).records
    assert file in [record.source_file for record in records]


def test_films_in_several_folders_are_found_by_the_pattern_of_their_names(tmp_path: Path) -> None:
    """As the archives of NIH unpack: films 0 to 19 in images_001/images, 20 to 39 in images_002/images."""
    for n in range(40):
        file = tmp_path / f"images_{1 + n // 20:03}" / "images" / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    guess = guess_table(written(tmp_path, "file,sick", "{n}.png,{word}"))
    guess.folders = folders_of(guess, tmp_path)
    section = yaml.safe_load("\n".join(overlay_lines(guess, tmp_path)))["datasets"]["mine"]
    assert section["reader"]["images"] == "images_*/images"
    listing = list_records("folder", tmp_path, section["reader"], [section["target"]], None)
    found = {record.image_id: record.source_file for record in listing.records}
    assert (found["0.png"], found["39.png"]) == ("images_001/images/0.png", "images_002/images/39.png")
    assert listing.folders == ("images_001/images", "images_002/images")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("{n}.jpg", r"no such file below .*, e.g. 0.jpg; x/0.PNG is there: write names as the files have them"),
        ("a{n}.png", r"e.g. a0.png; put the table beside the folder of the files, or name it: --root FOLDER"),
        (r"x\{n}.png", "holds a backslash"),
        ("/data/{n}.png", "holds an absolute path"),
    ],
)
def test_files_that_are_nowhere_are_said_at_once(tmp_path: Path, cell: str, said: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "0.PNG").touch()
    guess = guess_table(written(tmp_path, "file,sick", f"{cell},{{word}}"))
    with pytest.raises(InputError, match=said):
        folders_of(guess, tmp_path)


def test_words_that_the_study_does_not_name_stop_it_with_what_to_write(tmp_path: Path) -> None:
    table = written(tmp_path, "image_id,file,patient_id,sick", "{n},{n}.png,{p},{word}")
    with pytest.raises(
        InputError, match=r"row 2 column sick: label 'Pneumonia'.*reader.label_words: \{\"Pneumonia\": 1\}"
    ):
        list_records("folder", tmp_path, {"table": table.name}, ["sick"], None)
    with pytest.raises(InputError, match="label_words .* in quotes"):
        list_records("folder", tmp_path, {"table": table.name, "label_words": {True: 1}}, ["sick"], None)


def test_a_long_table_sorted_by_label_is_looked_at_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100 rows at most 16 are looked at: after 16, 32 and 64 rows every second is dropped, so every eighth is left."""
    monkeypatch.setattr(guessing, "LOOKED", 16)
    lines = ["file,patient_id,sick", *(f"{n}.png,p{n // 2},{int(n < 75)}" for n in range(100))]
    (tmp_path / "films.csv").write_text("\n".join(lines) + "\n")
    guess = guess_table(tmp_path / "films.csv")
    assert (guess.rows, guess.patients) == (100, 50)
    # Rows 0, 8, ... 96 are 13, and the ten up to 72 are ill.
    assert guess.labels[0].positive == pytest.approx(10 / 13)
