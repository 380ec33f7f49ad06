"""What a study needs on disk, and what it says when that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.lib.errors import InputError
from scripts.lib.raw_trees import check_sources, missing_sources, root_of, tracked_files


def config(root: str, base: str | None = None, weights: str | None = None) -> dict[str, Any]:
    siim = {"format": "siim", "root": root, "task": "segmentation"}
    return {
        "study": {"datasets": ["siim"], "generator_dataset": "siim", "foundation": ["mimic"]},
        "datasets": {"siim": siim, "mimic": {"format": "mimic", "root": "phantom"}},
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
    (tmp_path / "model_index.json").write_text("{}")
    check_sources(config("phantom", str(tmp_path)))


def test_missing_weights_of_a_downstream_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"trials\.model\.weights of siim = .*MGCA"):
        check_sources(config("phantom", weights=f"{tmp_path}/encoder.ckpt"))
    check_sources(config("phantom", weights="imagenet"))
