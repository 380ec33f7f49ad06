"""What a cohort's preparation noticed: the table notes.csv, the line on the screen, Table 1, and the share that stops a run."""

from __future__ import annotations

import csv
import importlib
import json
import pickle
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.lib import cohort, formats
from scripts.lib.cohort import notes as told
from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.telling import cohort_line, tell_cohorts
from scripts.lib.core.errors import InputError
from scripts.lib.formats.record import EXAMPLES, Notes
from scripts.lib.formats.spreadsheet import inert
from scripts.tabulate_cohorts import main as tabulate_main
from tests.cohort.test_prepare_cohort import prepare, tree
from tests.helpers.dicom_files import dicom_bytes, ramp


def read_notes(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "notes.csv").open(newline="") as stream:
        return {row["kind"]: row for row in csv.DictReader(stream)}


def soft_masks(root: Path, count: int) -> Path:
    """Twelve films, `count` of them with a mask saved as JPEG: its soft edges are a note of the level "look"."""
    tree(root)
    for k in range(count):
        name = root / "films" / f"f{k:02d}_mask.png"
        yy, xx = np.mgrid[:40, :32]
        Image.fromarray(np.uint8(255 * ((yy - 20) ** 2 + (xx - 16) ** 2 < 90))).save(name, "JPEG", quality=60)
    return root


def test_notes_keep_the_first_examples_in_any_order_and_survive_another_process() -> None:
    one, two = Notes(), Notes()
    for word in "dbca":
        one.add("kind", word)
    for word in "acbd":
        two.add("kind", word)
    assert one == two == {"kind": 4} and one.examples == two.examples == {"kind": ["a", "b", "c"]}
    again = pickle.loads(pickle.dumps(one))
    assert again == one and again.examples == one.examples and isinstance(again, Notes)
    film = Notes()
    film.add("kind", "x")
    film["other"] += 0
    both = Notes()
    both.take(film, "f1")
    both.take({"plain": 2}, "f2")
    assert both == {"kind": 1, "plain": 2} and both.examples == {"kind": ["f1: x"], "plain": ["f2"]}
    assert EXAMPLES == 3


def test_what_was_noted_is_in_a_table_with_what_to_do(tmp_path: Path) -> None:
    root = soft_masks(tmp_path / "raw", 2)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(root / "films" / "stray.png")
    cohort = prepare(root, tmp_path / "out")
    rows = read_notes(tmp_path / "out")
    soft, stray = rows[told.raster.SOFT], rows[told.UNLISTED]
    assert (soft["count"], soft["level"], soft["examples"]) == ("2", "look", "f00; f01") and "PNG" in soft["what_to_do"]
    assert (stray["count"], stray["level"], stray["examples"]) == ("1", "look", "films/stray.png")
    assert cohort.meta["n_noted"] == 2 and cohort.meta["notes"][told.raster.SOFT] == 2
    assert cohort.meta["n_unlisted"] == 1


def test_an_unusually_large_share_of_odd_films_stops_the_run(tmp_path: Path) -> None:
    root = soft_masks(tmp_path / "raw", 3)  # 3 of 12 films are more than a fifth
    message = r"demo: 3 of 12 films look odd \(25.0%\), more than noted_limit 0.2.*3 soft-edged.*e.g. f00 \(save masks"
    with pytest.raises(InputError, match=message):
        prepare(root, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    assert prepare(root, tmp_path / "out", noted_limit=0.25).meta["n_noted"] == 3


def test_a_run_without_a_pixel_takes_its_label_along_even_where_no_mask_is_wanted(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    (root / "dicom-images-train").mkdir(parents=True)
    for k in range(4):
        data = dicom_bytes(ramp() + k, SOPInstanceUID=f"1.{k}", PatientID=f"p{k}", ViewPosition="PA")
        (root / "dicom-images-train" / f"f{k}.dcm").write_bytes(data)
    (root / "train-rle.csv").write_text("ImageId, EncodedPixels\nf0, 0 0\nf1, 1 2\nf2, 1 2 3 0\nf3, -1\n")
    for structures in (["pneumothorax"], []):
        settings = {"format": "siim", "reader": {"positives_only": False}, "labels": ["pneumothorax"]}
        config = {**settings, "structures": structures, "split": {"test": 0.5}, "quarantine_limit": 0.5}
        prepare_cohort("siim", config, root, 16, 1, tmp_path / "out")
        cohort = Cohort.open(tmp_path / "out")
        assert dict(zip(cohort.index["image_id"], cohort.index["pneumothorax"])) == {"f1": 1, "f3": 0}
        assert "run lengths: run 1 has no pixel" in (tmp_path / "out" / "quarantine.tsv").read_text()


def test_films_that_are_merely_put_right_stop_nothing(tmp_path: Path) -> None:
    root = tree(tmp_path / "raw")
    for k in range(12):
        name = root / "films" / f"f{k:02d}.png"
        Image.open(name).convert("RGB").save(name)
    cohort = prepare(root, tmp_path / "out", noted_limit=0.0)
    assert cohort.meta["n_noted"] == 0 and read_notes(tmp_path / "out")[told.raster.COLOUR]["count"] == "12"


def test_every_kind_that_the_code_notes_has_its_advice() -> None:
    """A new kind is a constant of plural words in a reader, a decoder or prepare: it must be in the table."""
    kinds = re.compile(r"(\w+ )?(films|files|ages|sexes|columns|patients|annotation rows|values|masks) \w+")
    named = [
        value
        for package in (formats, cohort)
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        for name, value in vars(importlib.import_module(module.name)).items()
        if name.isupper() and isinstance(value, str) and kinds.match(value)
    ]
    assert len(named) >= 25 and set(named) <= set(told.ADVICE)
    assert told.advice_of("never heard of").level == told.LOOK


def meta(**changes: object) -> dict:
    return {
        "dataset": "siim",
        "n_images": 9,
        "n_quarantined": 1,
        "n_noted": 2,
        "n_unlisted": 0,
        "warnings": ["w"],
        **changes,
    }


def test_the_line_on_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cohort_line(meta(), "r/c").splitlines() == [
        "siim: 9 films taken, 1 quarantined, 2 noted; see r/c/quarantine.tsv and notes.csv",
        "  warning: w",
    ]
    assert "2 noted, 3 files in no table; see" in cohort_line(meta(n_unlisted=3), "r/c")
    assert cohort_line(meta(n_quarantined=0, warnings=[]), "r/c").endswith("0 quarantined, 2 noted; see r/c/notes.csv")
    for name, text in (("new", json.dumps(meta())), ("old", '{"dataset": "x"}'), ("broken", "{"), ("list", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cohort.json").write_text(text)
    tell_cohorts([tmp_path / name for name in ("absent", "new", "old", "broken", "list")])
    assert capsys.readouterr().err.count("films taken") == 1


def test_table_1_shows_what_was_taken_quarantined_and_noted(tmp_path: Path) -> None:
    root = soft_masks(tmp_path / "raw", 2)
    (root / "films" / "f11.png").write_bytes(b"")
    (root / "labels.csv").write_text((root / "labels.csv").read_text().replace(",report,", ",reprot,"))
    prepare(root, tmp_path / "out")
    table, text = tmp_path / "t.csv", tmp_path / "t.md"
    tabulate_main(["--cohorts", str(tmp_path / "out"), "--out-csv", str(table), "--out-md", str(text)])
    with table.open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert (row["taken"], row["quarantined"], row["noted"]) == ("11", "1", "2")
    assert "'reprot' for 'report'" in row["warnings"] and "- demo: 1 columns that are not read" in text.read_text()


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")'),
        ("  @SUM(A1)", "'  @SUM(A1)"),
        ("+1+cmd", "'+1+cmd"),
        ("-x", "'-x"),
        ("-1.5e-3", "-1.5e-3"),
        ("+2", "+2"),
        ("films/a=b.png", "films/a=b.png"),
        ("", ""),
    ],
)
def test_cells_that_a_spreadsheet_would_run_are_text(text: str, cell: str) -> None:
    assert inert(text) == cell


def test_no_exported_cell_is_a_formula(tmp_path: Path) -> None:
    bad = '=HYPERLINK("http://x")'
    rows = f'"{bad.replace(chr(34), chr(34) * 2)}",films/gone.png,p9,1,,,\n'
    root = tree(tmp_path / "raw", extra=rows)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(root / "films" / "=cmd.png")
    prepare(root, tmp_path / "out")
    for name in ("quarantine.tsv", "notes.csv"):
        for line in (tmp_path / "out" / name).read_text().splitlines():
            assert not any(cell.startswith(("=", '"=', "@")) for cell in line.replace("\t", ",").split(",")), line
