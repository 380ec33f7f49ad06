"""A phantom tree of each format goes through its reader and comes back as it was drawn."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.lib.cohort.geometry import fit_image, fit_mask
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.seeds import derive_seed
from scripts.lib.phantom.film import draw_film
from scripts.lib.phantom.spec import Film, FilmSpec
from scripts.lib.phantom.study import film_stream, plan_films
from scripts.lib.phantom.writers import chexpert, mimic, rsna
from scripts.lib.phantom.writers.dicom import uid
from scripts.prepare_cohort import main as prepare_main
from scripts.write_phantom import main as write_main

SEED, SIZE, RESOLUTION = 3, 64, 32
COMMON = {"size": SIZE, "missing_files": 1, "unlisted_files": 1, "odd_files": 0.3}
EDITION = "CheXpert-v1.0-small"
STUDIES: dict[str, dict[str, Any]] = {
    "candid": {
        "reader": {"chexmask": "CheXmask-CANDID-PTX.csv"},
        "labels": ["pneumothorax"],
        "split": {"generator": 0.5, "test": 0.5},
    },
    "siim": {"reader": {}, "labels": ["pneumothorax"], "split": {"test": 0.2}},
    "rsna": {"reader": {"box_masks": True, "patients": rsna.MAPPINGS}, "labels": ["pneumonia"], "split": {"test": 0.2}},
    "chexpert": {
        "reader": {"train": f"{EDITION}/train.csv", "valid": f"{EDITION}/valid.csv"},
        "labels": ["edema", "pleural_effusion"],
        "split": "given",
    },
    "mimic": {"reader": {}, "labels": ["edema", "pneumonia"], "split": "given"},
}
PHANTOM = {
    "rsna": {"films_per_patient": [1, 2]},
    "chexpert": {"test_patients": 5},
    "mimic": {"validate_patients": 3, "test_patients": 3},
}


def identifier(format: str, spec: FilmSpec, key: int) -> str:
    """The image id that the reader must give to a film of the plan."""
    if format in ("candid", "siim"):
        return uid(spec.seed, "sop")
    if format == "rsna":
        return rsna.patient_id(key, spec.patient.number, spec.study)
    if format == "chexpert":
        return "-".join(chexpert.film_path(spec, 20).removesuffix(".jpg").split("/")[2:])
    return mimic.dicom_id(spec)


@pytest.fixture(scope="module", params=list(STUDIES))
def study(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Cohort, list[FilmSpec], Path]:
    """A format, its phantom of some 20 patients prepared as a cohort, and the plan it was drawn from."""
    format = request.param
    root = tmp_path_factory.mktemp(format)
    phantom = {"patients": 20, "test_patients": 0, **COMMON, **PHANTOM.get(format, {})}
    shared = ["--dataset", "demo", "--seed", str(SEED)]
    write_main(
        [*shared, "--format", format, "--config", json.dumps(phantom), "--out", str(root / "raw")]
        + ["--manifest", str(root / "raw.json")]
    )
    config = {**STUDIES[format], "format": format, "quarantine_limit": 0.2}
    prepare_main(
        [*shared, "--config", json.dumps(config), "--root", str(root / "raw"), "--resolution", str(RESOLUTION)]
        + ["--out", str(root / "cohort")]
    )
    return format, Cohort.open(root / "cohort"), plan_films(format, phantom, SEED, "demo"), root / "cohort"


def drawn(spec: FilmSpec) -> Film:
    return draw_film(spec, SIZE, film_stream(spec))


def test_counts(study: tuple[str, Cohort, list[FilmSpec], Path]) -> None:
    format, cohort, plan, folder = study
    expected = [spec for spec in plan if spec.view != "LATERAL"]
    if format == "siim":
        expected = [spec for spec in expected if "pneumothorax" in spec.names]
    # One film is missing and one unlisted; in SIIM these may be films without a pneumothorax, which are left out anyway.
    assert len(expected) - 2 <= len(cohort) <= len(expected) - (0 if format == "siim" else 2)
    assert cohort.meta["n_unlisted"] == 1
    quarantine = (folder / "quarantine.tsv").read_text().splitlines()
    assert len(quarantine) - 1 == cohort.meta["n_quarantined"] <= 1
    if format in ("mimic", "chexpert"):
        given = Counter(spec.split for spec in expected)
        assert (cohort.index["split"] == "train").sum() == given["train"] - 2
        assert (cohort.index["split"] == "test").sum() == given["test"]


def test_films_and_masks_come_back_as_drawn(study: tuple[str, Cohort, list[FilmSpec], Path]) -> None:
    format, cohort, plan, _ = study
    key = derive_seed(SEED, "phantom", "demo")
    rows = {name: row for row, name in enumerate(cohort.index["image_id"])}
    matched = 0
    for spec in plan:
        row = rows.get(identifier(format, spec, key))
        if row is None:
            continue
        matched += 1
        film = drawn(spec)
        small = fit_image(film.image, RESOLUTION, "pad").astype(int)
        assert np.abs(cohort.images([row])[0].astype(int) - small).mean() < 1.5
        annotated = int(cohort.index["annotated"][row]) if cohort.structures else 0
        for bit, structure in enumerate(cohort.structures):
            if structure != "pneumonia" and annotated >> bit & 1:
                cover = 0.2 if structure in ("rib_fracture", "chest_tube") else 0.5
                mask = fit_mask(film.masks[structure], RESOLUTION, "pad", cover)
                assert np.array_equal(cohort.mask([row], structure)[0], mask), (spec.names, structure)
    assert matched == len(cohort) > 10


def test_labels_patients_and_reports(study: tuple[str, Cohort, list[FilmSpec], Path]) -> None:
    format, cohort, plan, _ = study
    index = cohort.index
    assert index["view"].isin(["PA", "AP"]).all()
    if format != "mimic":  # its tables have neither
        assert index["sex"].isin(["M", "F"]).all() and index["age"].between(18, 90).all()
    key = derive_seed(SEED, "phantom", "demo")
    specs = {identifier(format, spec, key): spec for spec in plan}
    for row in index.itertuples():
        spec = specs[row.image_id]
        for label in cohort.labels:
            present = label.replace("_", " ") in spec.names
            # The labels of MIMIC and of CheXpert's train.csv come from a labeller that may be unsure.
            if format not in ("mimic", "chexpert") or row.split == "test" and format == "chexpert":
                assert getattr(row, label) == int(present)
        if format == "mimic":
            assert row.report
    numbers = {specs[row.image_id].patient.number: row.patient_id for row in index.itertuples()}
    assert len(set(numbers.values())) == len(numbers) == index["patient_id"].nunique()
