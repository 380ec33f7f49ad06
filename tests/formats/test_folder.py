"""What the reader `folder` makes of a small table, and which mistakes stop it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats.record import Listing
from scripts.lib.formats.registry import list_records

FOLDER = "image_id,file,patient_id,source,split,sick,mask_file,words\n"


def folder(root: Path, rows: str, labels: list[str] | None = None, structures=None, **reader: object) -> Listing:
    (root / "labels.csv").write_text(FOLDER + rows, encoding="utf-8")
    return list_records("folder", root, reader, ["sick"] if labels is None else labels, structures)


ROWS = "a,i/a.png,p1,x,train,1,m/a.png,red\nb,i/b.png,p2,y,test,,,nan\nc,i/c.png,p2,z,test,-1,m/c.png,\n"


def test_folder(tmp_path: Path) -> None:
    options = {"where": {"source": ["x", "y"]}, "columns": {"report": "words"}, "mask_values": {"lungs": 255}}
    listing = folder(tmp_path, ROWS, structures=["lungs"], **options)
    a, b = listing.records
    assert (a.report, a.labels, a.split, a.masks[0].data) == ("red", {"sick": 1}, "train", ("m/a.png",))
    assert (b.report, b.labels, b.masks, b.annotated) == (None, {"sick": None}, (), ())
    assert listing.excluded.total() == 1 and "i/c.png" in listing.listed


@pytest.mark.parametrize(
    ("rows", "reader", "message"),
    [
        (ROWS, {"where": {"source": "w"}}, "no row left"),
        (ROWS, {"where": {"colour": "w"}}, "no column colour"),
        (ROWS, {"columns": {"report": "text"}}, "no column text"),
        (ROWS, {"columns": {"repot": "words"}}, "'repot' is unknown"),
        ("a,i/a.png,,x,train,1,,\n", {}, "row 2: column patient_id is empty"),
        ("a,,p,x,train,1,,\n", {}, "row 2 column file: path '' holds nothing"),
        ("a,i/a.png,p,x,fold1,1,,\n", {}, "split 'fold1'"),
        ("a,i/a.png,p,x,train,yes,,\n", {}, "row 2 column sick: label 'yes'"),
        ("a,i/a.png,p,x,train,1,../m.png,\n", {}, "row 2 column mask_file"),
    ],
)
def test_folder_mistakes(tmp_path: Path, rows: str, reader: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        folder(tmp_path, rows, structures=["lungs"], **reader)
