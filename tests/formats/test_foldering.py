"""Films without a table: their folders say class, side and mask."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from scripts import start_study
from scripts.lib.core.errors import InputError
from scripts.lib.formats.foldering import table_of_folder
from scripts.lib.formats.registry import list_records
from tests.helpers.touched_files import touched


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_classes_sides_and_masks_are_those_of_the_folders(tmp_path: Path) -> None:
    root = touched(
        tmp_path, "data/Train/ILL/Images/a.PNG", "data/Train/ILL/Masks/a.png", "data/val/WELL/b.dcm", "data/notes.txt"
    )
    assert rows(table_of_folder(root)) == [
        {"file": "data/Train/ILL/Images/a.PNG", "class": "ILL", "split": "train", "mask": "data/Train/ILL/Masks/a.png"},
        {"file": "data/val/WELL/b.dcm", "class": "WELL", "split": "validate", "mask": ""},
    ]  # fmt: skip


def test_columns_that_no_film_has_are_left_out(tmp_path: Path) -> None:
    assert rows(table_of_folder(touched(tmp_path, "ill/a.png", "well/a.png"))) == [
        {"file": "ill/a.png", "class": "ill"},
        {"file": "well/a.png", "class": "well"},
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "no films .* below this folder, and no CSV table"),
        (["a.png", "b.png"], "all films lie in one folder, so nothing says what each one shows"),
        (["ill/images/a.png", "ill/masks/a.png", "masks/well/a.png"], "all films lie in ill, so nothing says"),
        (["ill/a.png", "well/b.png", "list.csv"], r"a folder; name its table: .*list.csv"),
    ],
)
def test_what_is_no_such_folder_is_one_line(tmp_path: Path, files: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        table_of_folder(touched(tmp_path, *files))
    assert not (tmp_path / "films.csv").exists()


def test_films_that_another_format_knows_the_patients_of_are_left_to_it(tmp_path: Path) -> None:
    names = ("train/NORMAL/IM-0115-0001", "test/PNEUMONIA/person1_virus_6", "train/PNEUMONIA/BACTERIA-30629-0001")
    with pytest.raises(InputError, match="the format kermany reads them, and knows whose they are"):
        table_of_folder(touched(tmp_path / "chest_xray", *(f"{name}.jpeg" for name in names)))


def test_the_command_goes_on_with_the_table_and_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Kaggle's copy of Kermany's films lies: 8 films of each class and side."""
    names = [
        f"{side}/{kind}/{n}.jpeg" for side in ("train", "test") for kind in ("NORMAL", "PNEUMONIA") for n in range(8)
    ]
    root = touched(tmp_path / "films", *names)
    start_study.main([str(root), "--out", str(tmp_path / "mine.yaml")])
    said = capsys.readouterr().out
    assert "films.csv, a row a film, from the names of the folders; whose films they are has to be added" in said
    assert (
        "column class: PNEUMONIA = 1, NORMAL = 0" in said
        and "split: {given: true, generator: 0.3} # column split" in said
    )
    assert "NO COLUMN SAYS WHOSE FILM IT IS" in said
    reader = {
        "table": "films.csv",
        "columns": {"image_id": "file", "patient_id": "file", "pneumonia": "class"},
        "label_words": {"PNEUMONIA": 1, "NORMAL": 0},
    }
    records = list_records("folder", root, reader, ["pneumonia"], None).records
    assert len(records) == 32 and sum(record.labels["pneumonia"] or 0 for record in records) == 16
