"""CheXlocalize: COCO's run lengths by hand, films by name, and every fault that its files may have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.formats import chexlocalize
from scripts.lib.formats.record import Rejected
from scripts.lib.formats.registry import list_records
from scripts.lib.formats.rle import coco_counts, decode_counts

FILM = "patient00007_study1_view1_frontal"
# 16 x 16 pixels: 34 of 0, then 4 of 1: column 2, rows 2 to 5; 218 of 0.
# 34 = 1 * 32 + 2: signs 2 + 32 + 48 = "R", 1 + 48 = "1"; 4: "4"; 218 = 6 * 32 + 26: 26 + 32 + 48 = "j", 6 + 48 = "6"
FOUR = {"size": [16, 16], "counts": "R14j6"}
EMPTY = {"size": [16, 16], "counts": "P8"}  # 256 = 8 * 32 + 0


def tree(root: Path, masks: Any, name: str = FILM) -> Path:
    (root / "CheXlocalize").mkdir(parents=True)
    (root / "CheXlocalize" / "gt_segmentations_val.json").write_text(json.dumps({name: masks}))
    film = root / "CheXpert" / "val" / "patient00007" / "study1" / "view1_frontal.jpg"
    film.parent.mkdir(parents=True)
    Image.fromarray(np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8).save(film)
    return root


def listing(root: Path, **reader: Any) -> Any:
    return list_records("chexlocalize", root, {"test": None, **reader}, ["pleural_effusion", "consolidation"], None)


def test_run_lengths_by_hand() -> None:
    assert coco_counts("R14j6", 256) == [34, 4, 218] and coco_counts("P8", 256) == [256]
    mask = decode_counts([34, 4, 218], (16, 16))
    assert mask.sum() == 4 and mask[2:6, 2].all()
    # 2, 3, 4, 1: the fourth is written as 1 - 3 = -2, five bits 11110: 30 + 48 = "N"
    assert coco_counts("234N", 10) == [2, 3, 4, 1]
    assert decode_counts([2, 3, 4, 1], (5, 2)).T.ravel().astype(int).tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0, 1]
    for text in ("R1", "R14j7", "R14j", "R14 j6", "", "N"):
        with pytest.raises(Rejected, match="run lengths"):
            coco_counts(text, 256)


def test_masks_and_labels_reach_the_cohort(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", {"Pleural Effusion": FOUR, "Consolidation": EMPTY, "Support Devices": FOUR})
    (record,) = listing(root).records
    assert record.labels == {"pleural_effusion": 1, "consolidation": 0} and record.split == "validate"
    assert record.patient_id == "patient00007" and "consolidation" in record.annotated
    section = {"format": "chexlocalize", "reader": {"test": None}, "structures": ["pleural_effusion"]}
    prepare_cohort("d", section, root, 32, 1, tmp_path / "out")
    cohort = Cohort.open(tmp_path / "out")
    assert cohort.mask([0], "pleural_effusion")[0][4:12, 4:6].all()  # 16 pixels become 32


def test_another_name_of_a_finding_is_noted(tmp_path: Path) -> None:
    groups = {"pleural_effusion": ["Pleural Effusion"], "consolidation": ["Consolidation", "Airspace Opacity"]}
    found = listing(tree(tmp_path / "raw", {"Lung Opacity": FOUR}), groups=groups)
    assert found.records[0].labels["consolidation"] == 1 and found.notes[chexlocalize.RENAMED] == 1


@pytest.mark.parametrize(
    ("masks", "name", "words"),
    [
        ({"Pleural Efusion": FOUR}, FILM, "did you mean 'Pleural Effusion'"),
        ({"Pleural Effusion": {"size": [16], "counts": "P8"}}, FILM, r"expected size \[height, width\] and counts"),
        ({"Pleural Effusion": {"size": [16, 16]}}, FILM, "expected size"),
        ([1], FILM, "expected an object of findings"),
        ({}, "film7", "expected a name such as patient64541_study1_view1_frontal"),
    ],
)
def test_a_file_of_another_form_stops_with_one_line(tmp_path: Path, masks: Any, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        listing(tree(tmp_path / "raw", masks, name))


def test_broken_runs_reject_their_film_and_another_size_stops(tmp_path: Path) -> None:
    found = listing(tree(tmp_path / "raw", {"Pleural Effusion": {"size": [16, 16], "counts": "R1"}}))
    assert not found.records and "run lengths" in found.rejected[0].reason
    root = tree(tmp_path / "other", {"Pleural Effusion": {"size": [8, 32], "counts": "R14j6"}})
    with pytest.raises(InputError, match="mask of 32 x 8 pixels for a film of 16 x 16"):
        prepare_cohort("d", {"format": "chexlocalize", "reader": {"test": None}}, root, 32, 1, tmp_path / "out")
