"""The overlays for somebody's own data: README's and that of start_study are short, and run as they are written."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from scripts import start_study
from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.reporting.check_needs import MISSING, cohort_films, missing_needs
from scripts.lib.study.config import load_study, stage
from scripts.lib.study.needs import trains_foundation
from tests.conftest import ROOT, copy_repository

FILMS = 60


def write_films(folder: Path, columns: dict[str, str] | None = None, masks: bool = False, labels: str = "01") -> Path:
    """Write films of noise and a table whose columns are called `columns`; return the table."""
    names = {name: name for name in ("image_id", "file", "patient_id", "pneumonia", "sex", "mask_file")} | (
        columns or {}
    )
    (folder / "films").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(FILMS):
        name = f"films/Größe, {number} 'a'.png"
        Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).save(folder / name)
        row = {"image_id": f"f{number}", "file": name, "patient_id": f"p{number // 2}", "sex": "MF"[number % 2]}
        row["pneumonia"] = labels[number % len(labels)]
        row["mask_file"] = ""
        if masks:
            row["mask_file"] = f"m{number}.png"
            mask = np.zeros((40, 40), np.uint8)
            mask[5:20, 5:20] = 255
            mask[0, number % 40] = 127
            Image.fromarray(mask).save(folder / row["mask_file"])
        rows.append({names[key]: value for key, value in row.items() if key != "mask_file" or masks})
    table = folder / "films.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return table


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text()
    return [block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if "datasets:" in block]


def test_the_overlay_of_the_pages_runs_as_it_is_written(tmp_path: Path) -> None:
    (overlay,) = blocks("README.md")
    assert blocks("docs/own-data.md") == [overlay]
    assert len(overlay.splitlines()) <= 10
    write_films(tmp_path / "films of mine")
    workflow = copy_repository(tmp_path / "copy")
    study = workflow.root / "studies" / "mine.yaml"
    study.write_text(overlay.replace("/path/to/films", str(tmp_path / "films of mine")))
    done = workflow.run("--dry-run", study="studies/mine.yaml")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "train_base" in text and "check_prerequisites" in text
    assert "train_controlnet" not in text and "write_phantom" not in text and "phantom" not in text
    config = load_study([ROOT / "config.yaml", study])
    section = config["datasets"]["mine"]
    prepare_cohort("mine", stage(config, "prepare_cohort", "mine"), Path(section["root"]), 32, 1, tmp_path / "cohort")
    cohort = Cohort.open(tmp_path / "cohort")
    # 60 films, 2 a patient: 18 for the generator, 0.3 * 42 = 12.6, so 13 for the test; whole patients make 12.
    assert cohort.index["split"].value_counts().to_dict() == {"train": 30, "generator": 18, "test": 12}


def test_the_overlay_of_own_images_on_own_films_trains_no_generator(tmp_path: Path) -> None:
    _, overlay = blocks("docs/own-images.md")  # the first one is on phantom films
    write_films(tmp_path / "films")
    (tmp_path / "images").mkdir()
    for place in ("films", "images"):
        overlay = overlay.replace(f"/path/to/{place}", str(tmp_path / place))
    (tmp_path / "own.yaml").write_text(overlay)
    config = load_study([ROOT / "config.yaml", tmp_path / "own.yaml"])
    assert not trains_foundation(config) and config["study"]["arms"] == ["images", "duplicate"]
    section = stage(config, "prepare_cohort", "mine")
    prepare_cohort("mine", section, tmp_path / "films", 32, 1, tmp_path / "cohort")
    assert set(Cohort.open(tmp_path / "cohort").index["split"]) == {"train", "test"}  # no film waits for a generator


def test_start_study_guesses_columns_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = {
        "image_id": "Image ID",
        "file": "Path",
        "patient_id": "Subject",
        "sex": "Gender",
        "pneumonia": "Pneumonia",
    }
    table = write_films(tmp_path / "films", theirs)
    out = tmp_path / "mine.yaml"
    start_study.main([str(table), "--out", str(out)])
    text = out.read_text()
    said = capsys.readouterr().out
    assert len(text.splitlines()) <= 10 and text in said and f"make figure2 STUDY='{out}' DIR='runs/mine'" in said
    assert all("#" in line for line in text.splitlines() if not line.endswith(":"))
    config = load_study([ROOT / "config.yaml", out])
    reader = config["datasets"]["mine"]["reader"]
    assert reader["columns"] == {"file": "Path", "image_id": "Image ID", "patient_id": "Subject", "sex": "Gender"}
    assert config["datasets"]["mine"]["target"] == "pneumonia"
    assert config["study"]["foundation"] == ["mine"] and config["arms"]["original"]["generator"] == "base"
    # about 0.49 * 60 = 29 training films, half of them ill: 0.5 holds 15 and 7, 0.2 only 6.
    assert config["study"]["fractions"] == [0.5, 1]
    prepare_cohort(
        "mine", stage(config, "prepare_cohort", "mine"), table.parent, 32, 1, tmp_path / "cohort"
    )  # what it guessed is what the reader takes
    with pytest.raises(InputError, match="there already"):
        start_study.main([str(table), "--out", str(out)])


def test_start_study_finds_masks_and_their_values(tmp_path: Path) -> None:
    table, out = write_films(tmp_path / "films", masks=True), tmp_path / "mine.yaml"
    start_study.main([str(table), "--out", str(out)])
    section = yaml.safe_load(out.read_text())["datasets"]["mine"]
    assert section["reader"]["mask_values"] == {"lungs": 255} and section["reader"]["mask_ignored"] == [127]
    assert section["structures"] == ["lungs"] and len(out.read_text().splitlines()) <= 10
    assert "arms" not in yaml.safe_load(out.read_text())
    # What its comment says of a segmentation is enough for one.
    assert "or segmentation: then target: lungs, and a line labels: [pneumonia]" in out.read_text()
    said = {
        "task: classification": "task: segmentation",
        "    target: pneumonia": "    labels: [pneumonia]\n    target: lungs",
    }
    text = out.read_text()
    for ours, theirs in said.items():
        text = text.replace(ours, theirs)
    out.write_text(text)
    config = load_study([ROOT / "config.yaml", out])
    prepare_cohort("mine", stage(config, "prepare_cohort", "mine"), table.parent, 32, 1, tmp_path / "cohort")
    films = cohort_films(Cohort.open(tmp_path / "cohort"))
    assert [one for one in missing_needs(config, {"mine": films}) if one.level == MISSING] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column of file names"),
        ("image_id,file,sick\n1,a.png,1\n2,b.png,1\n", "no column with both 0 and 1"),
        ("image_id,file,sick\n", "no rows"),
    ],
)
def test_start_study_says_what_a_table_lacks(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "films.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        start_study.main([str(tmp_path / "films.csv"), "--out", str(tmp_path / "mine.yaml")])
    assert not (tmp_path / "mine.yaml").exists()


def test_start_study_says_why_a_column_of_splits_is_not_used(tmp_path: Path) -> None:
    table, out = write_films(tmp_path / "films"), tmp_path / "mine.yaml"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{header},Split", *(f"{row},test" for row in rows)]) + "\n")
    start_study.main([str(table), "--out", str(out)])
    line = next(line for line in out.read_text().splitlines() if line.lstrip().startswith("split:"))
    assert "or segmentation of a structure\n" in out.read_text()
    assert "column Split SAYS test, NOT train AND test, AND IS NOT USED: drawn by patient" in line
    assert yaml.safe_load(line) == {"split": {"generator": 0.3, "test": 0.3}}
