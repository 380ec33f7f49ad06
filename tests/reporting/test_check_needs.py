"""What a study needs and does not find is told at once, one line each, before anything trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts import check_prerequisites
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.reporting.check_needs import SHOWN, FilmTable, check_needs, missing_needs
from scripts.lib.study.config import CONFIG_FILE, load_study
from scripts.lib.study.needs import needs_settings

MINE = {"root": "/films", "task": "classification", "target": "sick", "structures": ["lungs"], "reader": {}}
STUDY = {"datasets": ["mine"], "fractions": [0.5, 1.0], "multipliers": {"0.5": [0, 1], "1": [0, 1]}}


def study(generator: str = "base", section: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    given = {
        "study": STUDY,
        "arms": {"original": {"generator": generator}},
        "datasets": {"mine": MINE | (section or {})},
    }
    return load_study([CONFIG_FILE], {**given, **changes})


def films(masks: int = 0, reports: str | None = None, **columns: Any) -> dict[str, FilmTable]:
    """Return 40 films, 12 for the generator, 8 to test, 20 to train, every second one ill."""
    index = pd.DataFrame(
        {
            "image_id": [f"f{number}" for number in range(40)],
            "patient_id": [f"p{number}" for number in range(40)],
            "split": ["generator"] * 12 + ["test"] * 8 + ["train"] * 20,
            "report": [reports] * 40,
            "sick": pd.array([number % 2 for number in range(40)], dtype="Int8"),
            SHOWN: np.uint8(masks),
        }
    ).assign(**columns)
    return {"mine": FilmTable(index, ["sick"], ["lungs"])}


def test_nothing_is_missing() -> None:
    (note,) = check_needs(study(), films())
    assert note.line() == "mine: no reports: the words of the labels stand in their place for 12 of 12 films"
    assert check_needs(study("controlnet"), films(masks=1, reports="Clear.")) == []


def test_masks_are_asked_for_where_a_generator_learns_from_them() -> None:
    with pytest.raises(InputError, match="none of the 12 films of split generator has a mask") as caught:
        check_needs(study("controlnet"), films(reports="Clear."))
    assert "arms.original.generator: base" in str(caught.value)


def test_all_faults_come_at_once() -> None:
    config = study("controlnet", trials={"classification": {"model": {"weights": "mgca"}}})
    with pytest.raises(InputError) as caught:
        check_needs(config, films(sick=pd.array([None] * 20 + [1] * 20, dtype="Int8")))
    lines = caught.value.faults
    assert len(lines) == 4 and all(line.startswith("mine: ") for line in lines)
    for words in ("has a mask", "neither a report nor a known label", "weights: mgca", "nothing to tell apart"):
        assert sum(words in line for line in lines) == 1, words


def test_labels_that_are_not_known_are_no_text() -> None:
    # 0 and unknown are not healthy; only films whose labels are all known to be 0 are called normal
    found = films(sick=pd.array([1, None] * 20, dtype="Int8"))
    note = next(one for one in missing_needs(study(), found) if one.level == "note")
    assert "for 6 of 12 films" in note.what


def test_a_segmentation_needs_its_structure_on_both_sides() -> None:
    config = study("controlnet", {"task": "segmentation", "target": "lungs"})
    shown = np.array([1] * 12 + [0] * 8 + [1] * 20, np.uint8)
    with pytest.raises(InputError, match="^mine: no film of split test shows lungs in its mask; name masks"):
        check_needs(config, films(reports="Clear.", **{SHOWN: shown}))


def test_a_study_with_a_model_of_its_own_asks_for_no_reports(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    assert check_needs(study(base={"path": str(tmp_path)}), films()) == []


def cohort(folder: Path, masks: bool) -> None:
    with CohortWriter(folder, 8, ["lungs"], ["sick"], {"dataset": "mine"}) as writer:
        for number, line in films()["mine"].index.iterrows():
            row = {
                "image_id": line["image_id"],
                "patient_id": line["patient_id"],
                "split": line["split"],
                "report": None,
            }
            row |= {"sha256": str(number), "synthetic": False, "sick": int(line["sick"]), "mask_sha256": str(number)}
            writer.add(np.zeros((8, 8), np.uint8), np.full((8, 8), int(masks), np.uint8), row)


def test_the_command_writes_a_table_or_nothing(tmp_path: Path) -> None:
    for masks in (True, False):
        cohort(tmp_path / f"masks-{masks}", masks)
        config = json.dumps(needs_settings(study("controlnet"), "mine"))
        out = tmp_path / f"{masks}.csv"
        command = [
            "--dataset",
            "mine",
            "--cohort",
            str(tmp_path / f"masks-{masks}"),
            "--config",
            config,
            "--out",
            str(out),
        ]
        if masks:
            check_prerequisites.main(command)
            assert out.read_text().startswith("level,dataset,what,todo\nnote,mine,no reports")
        else:
            with pytest.raises(InputError, match="has a mask"):
                check_prerequisites.main(command)
            assert not out.exists()


def test_the_check_of_one_dataset_reads_no_other() -> None:
    plain = load_study([CONFIG_FILE])
    settings = needs_settings(plain, "siim")
    assert list(settings["datasets"]) == ["siim"] and settings["study"]["datasets"] == ["siim"]
    assert settings["from_reports"] == ["chexpert"]  # whose encoder learns from the foundation's reports
    changed = load_study([CONFIG_FILE], {"datasets": {"rsna": {"fit": "crop"}}})
    assert needs_settings(changed, "siim") == settings
