"""Real films, where they are at hand: every original decodes or is rejected as its manifest says, cohorts come out whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.store import Cohort
from scripts.lib.formats import dicom, raster, rle
from scripts.lib.formats.record import Rejected
from scripts.lib.formats.registry import list_records
from scripts.lib.formats.tables import Table

LIMIT = 64_000_000


def decode(path: Path) -> np.ndarray:
    data = path.read_bytes()
    reader = dicom.read_film if path.suffix == ".dcm" else raster.read_film
    return reader(data, LIMIT, (0, 100))[0]


def originals(real_films: Path) -> dict[str, str]:
    return {
        row["file"]: row["decoded"] for row in Table(real_films / "originals" / "manifest.csv", ("file", "decoded"))
    }


def test_every_original_is_decoded_or_rejected_as_its_manifest_says(real_films: Path) -> None:
    outcomes = {}
    for name, expected in originals(real_films).items():
        try:
            image = decode(real_films / "originals" / name)
        except Rejected as reason:
            outcomes[name] = str(reason)
            assert "Error" in expected, f"{name}: {reason}"
            continue
        assert "Error" not in expected, name
        rows, columns = image.shape
        assert f"({rows}, {columns})" in expected or f"({columns}, {rows})" in expected
        assert image.std() > 10
        outcomes[name] = "decoded"
    assert Counter(value == "decoded" for value in outcomes.values()) == {True: 10, False: 4}


def lung_field_is_dark(image: np.ndarray) -> bool:
    """On a film shown the usual way the lung fields are darker than the middle of the chest between them."""
    height, width = image.shape
    band = image[height * 3 // 10 : height * 6 // 10].astype(float)
    left, right = band[:, width // 5 : width * 2 // 5], band[:, width * 3 // 5 : width * 4 // 5]
    return (left.mean() + right.mean()) / 2 < band[:, width * 9 // 20 : width * 11 // 20].mean()


def test_inverted_films_are_shown_the_usual_way(real_films: Path) -> None:
    for path in sorted((real_films / "originals" / "dicom").iterdir()):
        assert lung_field_is_dark(decode(path)), path.name


def test_a_film_decodes_as_its_16_bit_copy(real_films: Path) -> None:
    # The PNG was made from the DICOM's stored values, which are inverted (MONOCHROME1).
    film = decode(real_films / "originals" / "dicom" / "CR-MONO1-10-chest.dcm")
    copy = decode(real_films / "originals" / "constructed" / "chest_16bit.png")
    assert film.shape == copy.shape
    assert np.corrcoef(film.ravel(), 255.0 - copy.ravel())[0, 1] > 0.95


def prepared(real_films: Path, out: Path, **changes: Any) -> Cohort:
    config = {
        "format": "folder",
        "reader": {"columns": {"report": "finding_labels"}, **changes.pop("reader")},
        "labels": ["pneumonia"],
        "split": {"generator": 0.5, "test": 0.4},
        **changes,
    }
    prepare_cohort("films", config, real_films, 64, 1, out)
    return Cohort.open(out)


def test_adults(real_films: Path, tmp_path: Path) -> None:
    cohort = prepared(real_films, tmp_path / "c", reader={"where": {"source": ["nih", "ieee8023"]}}, structures=[])
    assert len(cohort) == 157 and not cohort.has_masks and cohort.meta["n_quarantined"] == 0
    labels = cohort.index["pneumonia"]
    assert (labels == 1).sum() == 80 and (labels == 0).sum() == 76 and labels.isna().sum() == 1
    # half of 157 is 78.5, rounded to the even 78; 0.4 of the 79 left is 31.6
    assert Counter(cohort.index["split"]) == {"generator": 78, "test": 32, "train": 47}
    assert cohort.index.groupby("patient_id")["split"].nunique().max() == 1
    assert "No Finding" in set(cohort.index["report"])


def test_children(real_films: Path, tmp_path: Path) -> None:
    reader = {"where": {"source": "kermany"}, "mask_values": {"lungs": 255}, "mask_ignored": [127]}
    cohort = prepared(real_films, tmp_path / "c", reader=reader, structures=["lungs"])
    assert len(cohort) == 180 and cohort.has_masks and (cohort.index["pneumonia"] == 1).sum() == 90
    lungs = cohort.mask(slice(None), "lungs")
    shares = lungs.mean(axis=(1, 2))
    assert shares.min() > 0.05 and shares.max() < 0.6
    table = {row["image_id"]: row for row in Table(real_films / "labels.csv")}
    for row in (0, 77, 179):
        own = table[cohort.index["image_id"][row]]
        film = np.asarray(Image.open(real_films / own["mask_file"]))
        side = max(film.shape)
        assert abs(shares[row] - (film == 255).sum() / side**2) < 0.01


def test_siim_samples_decode_to_lungs(real_films: Path) -> None:
    # As the README of the samples says: a canvas of 512 x 512 with the film at its top left.
    samples = real_films / "schema_samples"
    listing = list_records("siim", samples, {"table": "siim_train-rle.csv"}, ["pneumothorax"], None)
    assert listing.records
    for record in listing.records:
        drawn = np.asarray(Image.open(real_films / "masks" / f"{record.image_id}.png")) == 255
        canvas = np.logical_or.reduce([rle.decode_relative(text, (512, 512)) for text in record.masks[0].data])
        inside = canvas[: drawn.shape[0], : drawn.shape[1]]
        assert not canvas[drawn.shape[0] :].any() and not canvas[:, drawn.shape[1] :].any()
        assert (inside & drawn).sum() / (inside | drawn).sum() > 0.98, record.image_id


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_films_of_odd_shapes_fit(real_films: Path, fit: str) -> None:
    from scripts.lib.cohort.geometry import fit_image

    for path in sorted((real_films / "originals" / "images").iterdir()):
        small = fit_image(decode(path), 64, fit)
        assert small.shape == (64, 64) and small.std() > 5
