"""VinDr-CXR: hand-made tables of several readers, every fault that they may have, and boxes that readers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats import vindr_cxr
from scripts.lib.formats.registry import list_records
from scripts.lib.formats.vindr_cxr import join_alike

GROUPS = {"pleural_effusion": ["Pleural effusion"], "nodule": ["Nodule/Mass", "Lung tumor"]}
COLUMNS = ("Pleural effusion", "Nodule/Mass", "Lung tumor", "No finding")
BOX = ("image_id", "rad_id", "class_name", "x_min", "y_min", "x_max", "y_max")
LABELS = ["pleural_effusion", "nodule"]
# film a: two readers, of whom one sees an effusion; film b: both see nothing
SAID = [("a", "R1", 1, 0, 0, 0), ("a", "R2", 0, 0, 1, 0), ("b", "R1", 0, 0, 0, 1), ("b", "R2", 0, 0, 0, 1)]
DRAWN = [
    *[("a", "R1", "Pleural effusion", 10, 20, 30, 40), ("a", "R2", "Pleural effusion", 12, 20, 32, 40)],
    *[("b", "R1", "No finding", "", "", "", ""), ("b", "R2", "No finding", "", "", "", "")],
]


def tree(root: Path, said: Any = SAID, drawn: Any = DRAWN) -> Path:
    (root / "annotations").mkdir(parents=True)
    for name, head, rows in (
        ("image_labels_train", ("image_id", "rad_id", *COLUMNS), said),
        ("annotations_train", BOX, drawn),
    ):
        lines = [",".join(map(str, row)) for row in (head, *rows)]
        (root / "annotations" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return root


def listing(root: Path, labels: list[str] = LABELS, **reader: Any) -> Any:
    settings = {"test": None, "test_boxes": None, "groups": GROUPS, "box_masks": True, **reader}
    return list_records("vindr-cxr", root, settings, labels, None)


def test_any_reader_counts_and_shared_boxes_are_one(tmp_path: Path) -> None:
    found = {record.image_id: record for record in listing(tree(tmp_path / "raw")).records}
    assert found["a"].labels == {"pleural_effusion": 1, "nodule": 1} and found["a"].notes[vindr_cxr.DISAGREE] == 1
    assert found["b"].labels == {"pleural_effusion": 0, "nodule": 0} and not found["b"].masks
    # 20 x 20 pixels each, 18 x 20 in common: overlap 360 / 440 = 0.82, so one box, the mean of both
    assert found["a"].boxes == (("pleural_effusion", 11, 20, 31, 40),)
    assert found["a"].masks[0].data == ((11, 20, 20, 20),)
    assert set(found["b"].annotated) == {"pleural_effusion", "nodule"} and found["a"].source_file == "train/a.dicom"
    assert listing(tree(tmp_path / "two"), box_masks=False).structures == []


def test_boxes_apart_stay_two() -> None:
    # 10 x 10 pixels each, 5 x 10 in common: 50 / 150 = 0.33; the third is far away
    boxes = [(0.0, 0.0, 10.0, 10.0), (5.0, 0.0, 15.0, 10.0), (50.0, 0.0, 60.0, 10.0)]
    assert join_alike(boxes) == boxes and join_alike([]) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("b", "R1", "No finding", 1, 2, 3, 4), "4 of 4 corners for No finding, which has no place"),
        (("b", "R1", "Pleural efusion", 1, 2, 3, 4), "did you mean 'Pleural effusion'"),
    ],
)
def test_a_faulty_table_stops_with_one_line(tmp_path: Path, row: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        listing(tree(tmp_path / "raw", drawn=[*DRAWN, row]))


@pytest.mark.parametrize(
    "corners", [(30, 20, 10, 40), (10, 20, 10, 40), (-1, 2, 3, 4), ("nan", 2, 3, 4), ("", 2, 3, 4)]
)
def test_a_box_that_cannot_be_rejects_its_film_alone(tmp_path: Path, corners: Any) -> None:
    found = listing(tree(tmp_path / "raw", drawn=[*DRAWN, ("b", "R3", "Nodule/Mass", *corners)]))
    assert [record.image_id for record in found.records] == ["a"]
    assert found.rejected[0].image_id == "b" and "expected" in found.rejected[0].reason


def test_names_in_another_spelling_and_single_readers_are_noted(tmp_path: Path) -> None:
    drawn = [*DRAWN, ("b", "R1", "Other diseases", "", "", "", "")]
    said = [*SAID, ("c", "R1", 0, 0, 0, 1)]
    found = listing(tree(tmp_path / "raw", said, drawn))
    assert found.notes[vindr_cxr.RENAMED] == 1
    by_name = {record.image_id: record.notes for record in found.records}
    assert by_name["c"][vindr_cxr.ONE_READER] == 1 and by_name["a"][vindr_cxr.ONE_READER] == 0
    assert by_name["c"][vindr_cxr.NO_BOXES] == 1
    with pytest.raises(InputError, match="'lung_mass' is no structure"):
        listing(tmp_path / "raw", groups={"lung_mass": ["Nodule/Mass"]})
    with pytest.raises(InputError, match="labels: 'edema' is no label of format vindr-cxr"):
        listing(tmp_path / "raw", ["edema"])
