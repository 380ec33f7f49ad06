"""Films and masks as the cohort takes them: oblong pixels made square, masks that a person would question, equal bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scripts.lib.cohort import decode, plausibility
from scripts.lib.cohort.geometry import fit_image, fit_mask, fit_masks
from scripts.lib.cohort.notes import CONTRADICTED, SHARED_MASK
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.formats import aspect, dicom
from scripts.lib.formats.record import Rejected
from tests.cohort.test_prepare_cohort import HEAD, prepare
from tests.formats.test_mask_pictures import chest, lungs
from tests.helpers.dicom_files import dicom_bytes


def disc(rows: int, columns: int, high: float) -> np.ndarray:
    """A disc on a film whose pixels are `high` times as high as wide, as (rows, columns) would store it."""
    y, x = np.mgrid[:rows, :columns]
    place = ((y - rows / 2 + 0.5) * high) ** 2 + (x - columns / 2 + 0.5) ** 2
    return np.where(place < (columns * 0.3) ** 2, 200, 20).astype(np.uint8)


def extent(image: np.ndarray) -> tuple[int, int]:
    """Height and width of what is brighter than half."""
    bright = image > 110
    return int(bright.any(axis=1).sum()), int(bright.any(axis=0).sum())


@pytest.mark.parametrize(
    ("changes", "ratio"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, 2.0),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, 0.5),
        ({"NominalScannedPixelSpacing": [0.3, 0.2]}, 1.5),
        ({"PixelAspectRatio": [2, 1]}, 2.0),
        ({"PixelSpacing": [0.14, 0.14], "PixelAspectRatio": [2, 1]}, 1.0),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.1]}, 2.0),
        ({"PixelSpacing": [0.143, 0.1430001]}, 1.0),
        ({}, 1.0),
    ],
)
def test_tags_of_a_dicom_film(changes: dict[str, Any], ratio: float) -> None:
    header = dicom.read_film(dicom_bytes(disc(20, 20, 1), **changes), 1 << 20, (0, 100))[1]
    assert header.aspect == pytest.approx(ratio)


@pytest.mark.parametrize(
    "pair", [[0, 0.1], [0.1, 0], [-0.1, 0.1], [-0.1, -0.1], ["nan", 0.1], ["nan", "nan"], ["1e400", 0.1]], ids=str
)
@pytest.mark.parametrize("tag", ["PixelSpacing", "ImagerPixelSpacing"])
def test_a_length_that_no_pixel_has_is_refused_with_what_stands_there(tag: str, pair: list[Any]) -> None:
    with pytest.raises(Rejected, match=rf"^{tag} is .*\\.*, expected two lengths above 0"):
        dicom.read_film(dicom_bytes(disc(20, 20, 1), **{tag: pair}), 1 << 20, (0, 100))


@pytest.mark.parametrize(
    ("changes", "noted"),
    [
        ({"PixelSpacing": [0, 0]}, 1),
        ({"PixelSpacing": 0.1}, 1),
        ({"PixelSpacing": [0.1, 0.1, 0.1]}, 1),
        ({"PixelAspectRatio": [0, 0]}, 1),
        ({"PixelSpacing": ""}, 0),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.1, 0.1]}, 0),
        ({}, 0),
    ],
    ids=str,
)
def test_a_spacing_that_is_not_known_is_noted(changes: dict[str, Any], noted: int) -> None:
    _, header, notes = dicom.read_film(dicom_bytes(disc(20, 20, 1), **changes), 1 << 20, (0, 100))
    assert header.aspect == 1.0 and notes[aspect.UNKNOWN] == noted


def test_spacings_that_no_film_has_are_refused() -> None:
    with pytest.raises(Rejected, match="PixelSpacing says pixels 7 times as high as wide"):
        dicom.read_film(dicom_bytes(disc(20, 20, 1), PixelSpacing=[0.7, 0.1]), 1 << 20, (0, 100))
    assert aspect.LARGEST == 3.0


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("high", [2.0, 0.5, 1.5])
def test_a_disc_of_oblong_pixels_becomes_round(fit: str, high: float) -> None:
    image = disc(round(120 / high), 120, high)
    height, width = extent(fit_image(image, 60, fit, high))
    assert abs(height - width) <= 1 and abs(width - 36) <= 1  # 0.6 of 60
    # Without the tag it would be flat or tall.
    height, width = extent(fit_image(image, 60, fit))
    assert abs(height - width) > 10


def tree(root: Path, films: dict[str, bytes], masks: dict[str, np.ndarray]) -> Path:
    """Films of one patient each, with a mask picture where there is one."""
    root.mkdir(parents=True)
    rows = []
    for number, (name, data) in enumerate(films.items()):
        (root / name).write_bytes(data)
        drawn = f"mask_{name}.png" if name in masks else ""
        if drawn:
            Image.fromarray(masks[name].astype(np.uint8) * 255).save(root / drawn)
        rows.append(f"f{number},{name},p{number},{number % 2},{drawn},,\n")
    (root / "labels.csv").write_text(HEAD + "".join(rows))
    return root


def notes_of(cohort: Cohort) -> dict[str, int]:
    return cohort.meta["notes"]


def test_a_cohort_makes_films_and_masks_square_and_says_so(tmp_path: Path) -> None:
    image = disc(60, 120, 2.0)
    films = {
        f"f{k}.dcm": dicom_bytes(image + np.uint8(k), PixelSpacing=[0.2, 0.1], SOPInstanceUID=f"1.{k}")
        for k in range(3)
    }
    films["square.dcm"] = dicom_bytes(disc(60, 60, 1), SOPInstanceUID="1.9")
    masks = {name: image > 110 for name in films if name != "square.dcm"}
    cohort = prepare(tree(tmp_path / "raw", films, masks), tmp_path / "out", split={})
    assert notes_of(cohort)[decode.OBLONG] == 3
    small, mask = cohort.images([0])[0], cohort.mask([0], "lungs")[0]
    # 3 of 256 pixels at the edge: half covered is not half bright
    assert (mask != (small > 110)).mean() < 0.02
    assert extent(small) == extent(mask * np.uint8(255)) and len(set(extent(small))) == 1


def png_bytes(image: np.ndarray, path: Path) -> bytes:
    Image.fromarray(image).save(path)
    return path.read_bytes()


def test_masks_that_a_person_would_question_are_counted(tmp_path: Path) -> None:
    mask = lungs()
    films, masks = {}, {}
    for k in range(6):
        films[f"f{k}.png"] = png_bytes(np.roll(chest(mask), k, axis=1), tmp_path / "film.png")
        masks[f"f{k}.png"] = np.roll(mask, k, axis=1).T
    masks["f0.png"] = ~masks["f0.png"].T
    masks["f1.png"] = np.ones_like(mask)
    cohort = prepare(tree(tmp_path / "raw", films, masks), tmp_path / "out", split={}, noted_limit=1.0)
    found = notes_of(cohort)
    assert found[plausibility.INSIDE_OUT] == 1 and found[plausibility.FULL] == 1
    # four transposed masks; turning the one that is inside out finds nothing better
    assert found[plausibility.TURNED] == 4
    assert found[plausibility.MISPLACED["transposed"]] == 4


def test_one_mask_file_for_two_films_stops_the_run(tmp_path: Path) -> None:
    films = {f"f{k}.png": png_bytes(chest(lungs()) + np.uint8(k), tmp_path / "film.png") for k in range(2)}
    root = tree(tmp_path / "raw", films, {"f0.png": lungs()})
    text = (root / "labels.csv").read_text()
    (root / "labels.csv").write_text(text.replace("f1,f1.png,p1,1,,", "f1,f1.png,p1,1,./mask_f0.png.png,"))
    with pytest.raises(
        InputError, match=r"row 3 column mask_file: mask mask_f0.png.png is given to f1.png and to f0.png"
    ):
        prepare(root, tmp_path / "out", split={})
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_one_mask_picture_under_two_names_is_noted(tmp_path: Path) -> None:
    films = {f"f{k}.png": png_bytes(chest(lungs()) + np.uint8(k), tmp_path / "film.png") for k in range(3)}
    films["again.png"] = films[
        "f0.png"
    ]  # the same film with the same mask is another matter: patients that share a film
    masks = {"f0.png": lungs(), "f1.png": lungs(), "f2.png": np.roll(lungs(), 1, axis=1), "again.png": lungs()}
    cohort = prepare(tree(tmp_path / "raw", films, masks), tmp_path / "out", split={}, noted_limit=1.0)
    assert notes_of(cohort)[SHARED_MASK] == 1
    row = next(row for row in (tmp_path / "out" / "notes.csv").read_text().splitlines() if row.startswith(SHARED_MASK))
    assert "f1: that of " in row and "look at both masks" in row
    tiny = np.zeros_like(lungs())
    tiny[10:12, 10:12] = True  # 4 pixels of 4096 or more: below 2 %, so it may be chance
    masks = dict.fromkeys(masks, tiny)
    cohort = prepare(tree(tmp_path / "raw2", films, masks), tmp_path / "out2", split={})
    assert SHARED_MASK not in notes_of(cohort)


def test_one_film_with_two_labels_is_noted(tmp_path: Path) -> None:
    films = {f"f{k}.png": png_bytes(chest(lungs()) + np.uint8(k), tmp_path / "film.png") for k in range(2)}
    films |= dict.fromkeys(("alike.png", "other.png", "unknown.png"), films["f0.png"])
    root = tree(tmp_path / "raw", films, {})
    lines = (root / "labels.csv").read_text().splitlines()
    place = lines[0].split(",").index("sick")
    label = {"f0.png": "1", "alike.png": "1", "other.png": "0", "unknown.png": ""}
    rows = [line.split(",") for line in lines[1:]]
    for row in rows:
        row[place] = label.get(row[1], row[place])
    (root / "labels.csv").write_text("\n".join([lines[0], *(",".join(row) for row in rows)]) + "\n")
    cohort = prepare(root, tmp_path / "out", split={}, noted_limit=1.0)
    assert notes_of(cohort)[CONTRADICTED] == 1
    row = next(row for row in (tmp_path / "out/notes.csv").read_text().splitlines() if row.startswith(CONTRADICTED))
    assert "f3: sick of f0" in row and row.split(",")[2] == "warning"


def test_two_runs_over_broken_films_give_equal_bytes(tmp_path: Path) -> None:
    films = {f"f{k}.png": png_bytes(chest(lungs()) + np.uint8(k), tmp_path / "film.png") for k in range(4)}
    films |= {"a.png": b"\x89PNG\r\n\x1a\n" + b"junk" * 40, "b.png": b"\xff\xd8\xff" + b"junk" * 40, "c.png": b"x" * 99}
    films |= {"d.png": films["f0.png"][:500], "e.dcm": dicom_bytes(chest(lungs()))[:900]}
    root = tree(tmp_path / "raw", films, {})
    keep = []
    for name in ("one", "two"):
        prepare(root, tmp_path / name, split={}, structures=[], quarantine_limit=0.9)
        keep.append(np.zeros(100_000))  # so that the second run's objects lie elsewhere
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    table = (tmp_path / "one" / "quarantine.tsv").read_text()
    assert table.count("\n") == 6 and "0x" not in table and str(tmp_path) not in table
    assert json.loads((tmp_path / "one" / "cohort.json").read_text())["n_quarantined"] == 5


def test_images_are_averaged_over_area() -> None:
    image = np.array([[0, 4, 100, 104], [8, 12, 108, 112]], dtype=np.uint8)
    # stretch to 2 x 2: each output pixel is the mean of 1 x 2; pad: means of 2 x 2 (6, 106) in row 0, black below
    assert fit_image(image, 2, "stretch").tolist() == [[2, 102], [10, 110]]
    assert fit_image(image, 2, "pad").tolist() == [[6, 106], [0, 0]]
    assert fit_image(image, 2, "crop").tolist() == [[4, 100], [12, 108]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from(["pad", "crop", "stretch"]), st.sampled_from([8, 32]))
def test_any_film_fits_with_its_mask(height: int, width: int, fit: str, resolution: int) -> None:
    image = np.full((height, width), 200, dtype=np.uint8)
    small = fit_image(image, resolution, fit)
    assert small.shape == (resolution, resolution)
    mask = fit_mask(np.ones((height, width), bool), resolution, fit, 0.5)
    assert np.array_equal(mask, small > 100)


def test_thin_structures_survive() -> None:
    tube = np.zeros((512, 512), dtype=bool)
    tube[:, 100] = True  # one pixel wide; an output pixel of 64 covers 8, so the tube covers an eighth of it
    assert fit_mask(tube, 64, "pad", 0.2).sum() == 64
    assert not fit_mask(np.zeros((512, 512), bool), 64, "pad", 0.2).any()
    dot = np.zeros((512, 512), dtype=bool)
    dot[300, 17] = True
    assert fit_mask(dot, 64, "pad", 0.5).sum() == 1


def test_cover_keeps_area_at_one_half_and_more_at_less() -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[:, :21] = True  # 5 output columns of 4 and a quarter of the next one
    assert fit_mask(mask, 16, "pad", 0.5)[0].sum() == 5
    assert fit_mask(mask, 16, "pad", 0.2)[0].sum() == 6


def test_masks_become_bits_in_the_order_of_the_structures() -> None:
    lungs, tube = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    lungs[0], tube[:, 0] = True, True
    field = fit_masks({"chest_tube": tube, "lungs": lungs}, ["lungs", "heart", "chest_tube"], 4, "pad", {})
    assert field.tolist() == [[5, 1, 1, 1], [4, 0, 0, 0], [4, 0, 0, 0], [4, 0, 0, 0]]
