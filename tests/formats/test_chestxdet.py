"""ChestX-Det: hand-made lists, every fault that they may have, and a phantom that comes back as it was drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scripts.lib.cohort.boxes import BOXES, read_boxes
from scripts.lib.cohort.geometry import fit_boxes
from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.formats import chestxdet
from scripts.lib.formats.polygons import CLIPPED, polygon_mask
from scripts.lib.formats.record import Notes
from scripts.lib.formats.registry import list_records
from scripts.lib.phantom.together import BOTH, CONSOLIDATION, EFFUSION, FILMS, cells, plan_together
from scripts.write_phantom import main as write_main

LABELS = ["pleural_effusion", "consolidation"]
SQUARE = [[2, 2], [6, 2], [6, 6], [2, 6]]


def row(name: str = "7.png", **changes: Any) -> dict[str, Any]:
    one = {"file_name": name, "syms": ["Effusion"], "boxes": [[2, 2, 6, 6]], "polygons": [SQUARE]}
    return {**one, **changes}


def tree(root: Path, train: list[Any], test: list[Any] | None = None) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", train), ("test", test or [])):
        (root / f"ChestX_Det_{split}.json").write_text(json.dumps(rows))
        (root / f"{split}_data").mkdir()
        for k, one in enumerate(rows):
            if isinstance(one, dict):
                grey = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) + np.uint8(k)
                Image.fromarray(grey).save(root / f"{split}_data" / one.get("file_name", "x.png"))
    return root


def listing(root: Path, labels: list[str] = LABELS, **reader: Any) -> Any:
    return list_records("chestxdet", root, reader, labels, None)


def test_labels_masks_and_boxes_come_from_the_lists(tmp_path: Path) -> None:
    two = row("8.png", syms=["Effusion", "Mass", "Consolidation"], boxes=[[2, 2, 6, 6]] * 3, polygons=[SQUARE] * 3)
    root = tree(tmp_path / "raw", [row(), two], [row("9.png", syms=[], boxes=[], polygons=[])])
    found = {record.image_id: record for record in listing(root).records}
    assert found["7"].labels == {"pleural_effusion": 1, "consolidation": 0} and found["7"].split == "train"
    assert found["8"].labels == {"pleural_effusion": 1, "consolidation": 1}
    assert [mask.structure for mask in found["8"].masks] == ["pleural_effusion", "consolidation"]  # no group holds Mass
    assert found["8"].boxes == (("pleural_effusion", 2, 2, 6, 6), ("consolidation", 2, 2, 6, 6))
    # every film was read for all classes, so an empty list is a negative and no missing label
    assert found["9"].labels == {"pleural_effusion": 0, "consolidation": 0} and found["9"].split == "test"
    assert set(found["9"].annotated) >= {"pleural_effusion", "consolidation", "cardiomegaly"}
    assert listing(root).notes[chestxdet.NO_PATIENTS] == 3


def test_the_cohort_has_masks_and_boxes_at_its_own_size(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", [row(str(k) + ".png") for k in range(4)], [row("9.png")])
    config = {"format": "chestxdet", "labels": LABELS, "structures": ["pleural_effusion"], "noted_limit": 1}
    prepare_cohort("d", config, root, 32, 1, tmp_path / "out")
    cohort = Cohort.open(tmp_path / "out")
    # 16 pixels become 32: 5 x 5 pixels of the square become about 10 x 10, the box 2..6 becomes 4..12
    assert 80 <= cohort.mask([0], "pleural_effusion").sum() <= 120
    boxes = read_boxes(tmp_path / "out")
    assert boxes["row"].tolist() == [0, 1, 2, 3, 4] and boxes.iloc[0, 2:].tolist() == [4, 4, 12, 12]
    (tmp_path / "out" / BOXES).write_text("no table")
    with pytest.raises(InputError, match=r"boxes.parquet: not a the boxes|boxes.parquet: not a "):
        read_boxes(tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"boxes": []}, r"row 1 \(7.png\): 1 syms, 0 boxes, 1 polygons; expected three lists of one length"),
        ({"syms": "Effusion"}, "expected three lists"),
        ({"syms": ["Efusion"]}, "class 'Efusion' is none of ChestX-Det's, did you mean 'Effusion'"),
        ({"syms": ["Efusion", "x"], "boxes": [], "polygons": []}, "2 syms, 0 boxes"),
        ({"file_name": "../7.png"}, r"'\.\.'"),
    ],
)
def test_a_faulty_list_stops_with_one_line(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    root = tree(tmp_path / "raw", [row()])
    (root / "ChestX_Det_train.json").write_text(json.dumps([row(**changes)]))
    with pytest.raises(InputError, match=words):
        listing(root)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{}", "not a JSON list"), ("[1", "not JSON"), ("[3]", "expected an object with file_name")],
)
def test_a_file_that_is_no_list_stops_with_one_line(tmp_path: Path, text: str, words: str) -> None:
    root = tree(tmp_path / "raw", [row()])
    (root / "ChestX_Det_train.json").write_text(text)
    with pytest.raises(InputError, match=words):
        listing(root)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"polygons": [SQUARE[:2]]}, "polygon of 2 points, expected 3 or more"),
        ({"polygons": [[[1, 2], [3, None], [4, 5]]]}, "expected [x, y]"),
        ({"polygons": [[[1, 2], [3, float("nan")], [4, 5]]]}, "expected [x, y]"),
        ({"boxes": [[6, 2, 2, 6]]}, "reversed or has no area"),
        ({"boxes": [[2, 2, 2, 6]]}, "reversed or has no area"),
        ({"boxes": [[2, 2, 6]]}, "expected [x1, y1, x2, y2]"),
    ],
)
def test_a_finding_that_cannot_be_drawn_rejects_its_film_alone(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    found = listing(tree(tmp_path / "raw", [row(**changes), row("8.png")]))
    assert [record.image_id for record in found.records] == ["8"]
    assert reason in found.rejected[0].reason and found.rejected[0].image_id == "7"


def test_a_box_unlike_its_polygon_is_noted(tmp_path: Path) -> None:
    found = listing(tree(tmp_path / "raw", [row(boxes=[[2, 2, 6, 8]]), row("8.png", boxes=[[2, 2, 6, 9]])]))
    assert [record.notes[chestxdet.UNLIKE] for record in found.records] == [0, 1]  # 2 pixels are allowed, 3 are not


def test_groups_that_contradict_are_refused(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw", [row()])
    with pytest.raises(InputError, match="Mass stands in nodule and in pneumonia"):
        listing(root, groups={"nodule": ["Nodule", "Mass"], "pneumonia": ["Mass"]})
    with pytest.raises(InputError, match="'lung_mass' is no structure of a finding"):
        listing(root, groups={"lung_mass": ["Mass"]})
    assert listing(root, ["nodule"], groups={"nodule": ["Nodule", "Effusion"]}).records[0].labels == {"nodule": 1}


def test_polygons_become_pixels_and_are_cut_at_the_border() -> None:
    notes = Notes()
    mask = polygon_mask([((1, 1), (3, 1), (3, 3), (1, 3))], (5, 6), notes)
    assert mask.sum() == 9 and mask[1:4, 1:4].all() and not notes[CLIPPED]
    # columns -2..1 and rows 3..9 of a film of 5 rows: 2 x 2 pixels are left
    assert polygon_mask([((-2, 3), (1, 3), (1, 9), (-2, 9))], (5, 6), notes).sum() == 4
    assert notes[CLIPPED] == 1


def test_boxes_follow_the_film_into_the_square() -> None:
    # 10 x 20 padded into 40: doubled, 20 x 40, ten empty columns... of a film 10 wide and 20 high
    assert fit_boxes([("nodule", 0, 5, 10, 20)], (20, 10), 40, "pad") == (("nodule", 10, 10, 30, 40),)
    # cropped: four times as large, 40 x 80, the upper and lower 20 cut off; a box above them vanishes
    assert fit_boxes([("nodule", 0, 0, 10, 5), ("nodule", 0, 4, 5, 10)], (20, 10), 40, "crop") == (
        ("nodule", 0, 0, 20, 20),
    )


def test_quotas_keep_the_published_counts() -> None:
    shares = cells()
    assert sum(shares.values()) == pytest.approx(1) and min(shares.values()) >= 0
    films = plan_together(FILMS, np.random.default_rng(1))
    names = [{finding.name for finding in film} for film in films]
    counts = pd.Series([len(one) for one in names]).value_counts()
    for count, published in enumerate((547, 843, 905, 491, 239)):
        assert abs(counts[count] - published) <= 3
    assert abs(sum("consolidation" in one for one in names) - CONSOLIDATION) <= 5
    assert abs(sum("pleural effusion" in one for one in names) - EFFUSION) <= 5
    assert abs(sum({"consolidation", "pleural effusion"} <= one for one in names) - BOTH) <= 5


def test_a_phantom_comes_back_as_it_was_drawn(tmp_path: Path) -> None:
    config = '{"patients": 40, "test_patients": 8, "size": 64, "missing_files": 1, "unlisted_files": 1}'
    options = ["--dataset", "d", "--format", "chestxdet", "--seed", "1", "--config", config]
    write_main([*options, "--out", str(tmp_path / "raw"), "--manifest", str(tmp_path / "raw.json")])
    section = {"format": "chestxdet", "reader": {"chexmask": "anatomy.csv"}, "labels": LABELS, "quarantine_limit": 0.2}
    prepare_cohort("d", section, tmp_path / "raw", 64, 1, tmp_path / "out")
    cohort = Cohort.open(tmp_path / "out")
    assert len(cohort) == 46 and cohort.index["split"].value_counts().to_dict() == {"train": 38, "test": 8}
    shown = {name: cohort.mask(slice(0, 46), name).any((1, 2)) for name in cohort.structures}
    for name in LABELS:
        assert np.array_equal(shown[name], (cohort.index[name] == 1).to_numpy())
    boxes = read_boxes(tmp_path / "out")
    for row_number, name, x0, y0, x1, y1 in (
        boxes[boxes["structure"] == "pleural_effusion"].head(5).itertuples(index=False)
    ):
        inside = cohort.mask([row_number], name)[0][int(y0) : int(y1) + 1, int(x0) : int(x1) + 1]
        assert inside.mean() > 0.3 and inside.any(0).all() and inside.any(1).all()
    lungs, effusion = (cohort.mask(slice(0, 46), name) for name in ("lungs", "pleural_effusion"))
    assert (effusion & lungs).sum() > 0.95 * effusion[lungs.any((1, 2))].sum()
