"""What a study needs on disk, and what it says when that is not there."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.raw_content import raw_content
from scripts.lib.study.sources import check_sources, missing_sources, root_of, tracked_files
from scripts.write_phantom import main as write_phantom
from tests.conftest import copy_repository


def config(root: str, base: str | None = None, weights: str | None = None) -> dict[str, Any]:
    siim = {"format": "siim", "root": root, "task": "segmentation"}
    return {
        "study": {"datasets": ["siim"], "generator_dataset": "siim", "foundation": ["mimic"]},
        "datasets": {"siim": siim, "mimic": {"format": "mimic", "root": "phantom"}},
        "arms": {"original": {"generator": "controlnet"}},
        "base": {"path": base},
        "trials": {"model": {"weights": weights}},
    }


def test_a_phantom_needs_nothing_and_is_tracked_by_its_manifest() -> None:
    check_sources(config("phantom"))
    section = {"format": "siim", "root": "phantom"}
    assert root_of(section, "siim") == "results/phantom/siim"
    assert tracked_files(section, "siim") == ["results/phantom/siim.json"]


def test_a_missing_folder_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"datasets\.siim\.root = .*nowhere: no such folder; .*Kaggle") as fault:
        check_sources(config(f"{tmp_path}/nowhere"))
    assert "\n" not in str(fault.value)
    assert len(list(missing_sources(config(f"{tmp_path}/nowhere")))) == 1


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train-rle\.csv: no such file"):
        check_sources(config(str(tmp_path)))
    (tmp_path / "train-rle.csv").write_text("ImageId, EncodedPixels\n")
    check_sources(config(str(tmp_path)))
    assert tracked_files({"format": "siim", "root": str(tmp_path)}, "siim") == [f"{tmp_path}/train-rle.csv"]


def test_a_missing_base_is_named_with_its_licence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="base.path = .*RoentGen.*credentialed"):
        check_sources(config("phantom", str(tmp_path)))
    single = tmp_path / "v1-5.safetensors"
    single.write_bytes(b"")
    with pytest.raises(
        InputError, match=f"{single}: one file; .* python -m scripts.convert_base --file {single} --like"
    ):
        check_sources(config("phantom", str(single)))
    (tmp_path / "model_index.json").write_text("{}")
    check_sources(config("phantom", str(tmp_path)))


def test_missing_weights_of_a_downstream_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trials\.model\.weights of siim = .*MGCA"):
        check_sources(config("phantom", weights=f"{tmp_path}/encoder.ckpt"))
    check_sources(config("phantom", weights="imagenet"))


# What a tree holds ----------------------------------------------------------------------------------------------------


def siim_tree(root: Path) -> dict[str, Any]:
    (root / "dicom-images-train").mkdir(parents=True)
    (root / "train-rle.csv").write_text("ImageId, EncodedPixels\na, -1\n")
    (root / "dicom-images-train" / "a.dcm").write_text("film")
    return {"format": "siim", "root": str(root)}


def rewritten(path: Path, text: str, time: int = 1) -> None:
    """Write a file and give it an old time, as a copy or an unpacked archive has."""
    path.write_text(text)
    os.utime(path, ns=(time, time))


def test_tables_count_by_content_and_films_by_size_and_time(tmp_path: Path) -> None:
    section, known = siim_tree(tmp_path / "raw"), tmp_path / "known.json"
    table, film = tmp_path / "raw" / "train-rle.csv", tmp_path / "raw" / "dicom-images-train" / "a.dcm"
    first = raw_content(section, known)
    assert len(first) == 16 and raw_content(section, known) == first == raw_content(section)
    table.touch()
    assert raw_content(section, known) == first, "only its time has changed"
    rewritten(table, "ImageId, EncodedPixels\na, 1 2\n")
    second = raw_content(section, known)
    assert second != first and raw_content(section) == second
    rewritten(table, "ImageId, EncodedPixels\na, 3 4\n")  # as many bytes, and the same time
    assert raw_content(section, known) not in (first, second)
    rewritten(table, "ImageId, EncodedPixels\na, -1\n")
    assert raw_content(section, known) == first
    rewritten(film, "other film")
    third = raw_content(section, known)
    assert third != first
    (film.parent / "b.dcm").write_text("one more")
    assert raw_content(section, known) not in (first, third)


def test_what_is_known_of_tables_may_be_lost_or_broken(tmp_path: Path) -> None:
    section, known = siim_tree(tmp_path / "raw"), tmp_path / "known.json"
    first = raw_content(section, known)
    for text in ("", "{", "[]", '{"x": 1}', json.dumps({f"{tmp_path}/raw/train-rle.csv": "y"})):
        known.write_text(text)
        assert raw_content(section, known) == first
    assert raw_content(section, tmp_path / "no folder" / "known.json") == first
    assert not list(tmp_path.rglob("*.part"))


def test_a_phantom_is_known_by_its_manifest_and_an_empty_root_by_nothing(tmp_path: Path) -> None:
    assert raw_content({"format": "siim", "root": "phantom"}) == ""
    for format in ("chexpert", "candid", "siim", "rsna", "mimic", "folder"):
        assert len(raw_content({"format": format, "root": str(tmp_path)})) == 16


def test_films_of_a_folder_are_those_of_its_table(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image_id,picture,patient_id,mask_file\na,i/a.png,p,m/a.png\n")
    (tmp_path / "i").mkdir()
    section = {"format": "folder", "root": str(tmp_path), "reader": {"columns": {"file": "picture"}}}
    first = raw_content(section)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "anything").write_text("results of a study that lies below the films")
    assert raw_content(section) == first
    (tmp_path / "i" / "a.png").write_text("film")
    assert raw_content(section) != first


@pytest.mark.workflow
def test_a_table_that_changed_but_looks_older_makes_the_cohort_anew(tmp_path: Path, forked_jobs: str) -> None:
    workflow = replace(copy_repository(tmp_path / "study"), interpreter=forked_jobs)
    raw = tmp_path / "raw"
    plan = {"patients": 20, "test_patients": 1, "size": 64, "missing_files": 0}
    shared = ["--dataset", "siim", "--format", "siim", "--seed", "1", "--config", json.dumps(plan)]
    write_phantom([*shared, "--out", str(raw), "--manifest", str(tmp_path / "raw.json")])
    target = f"results/siim/cohort/index.parquet --config data={raw}".split()
    overlay = workflow.root / "studies" / "tiny.yaml"
    overlay.write_text(overlay.read_text().replace("  siim:\n", '  siim:\n    root: "{data}"\n', 1))
    done = workflow.run(*target)
    assert done.returncode == 0, done.stderr[-3000:]
    assert workflow.planned(*target) == set()
    table = raw / "train-rle.csv"
    rewritten(table, "\n".join(table.read_text().splitlines()[:-1]) + "\n")
    assert workflow.planned(*target) == {"prepare_cohort"}
