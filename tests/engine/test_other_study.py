"""A run says whose results it will replace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.lib.engine.other_study import replaced_study
from tests.helpers.forked_snakemake import snakemake

ROOT = Path(__file__).resolve().parents[2]


def test_a_folder_of_the_same_study_or_of_none_says_nothing(tmp_path: Path) -> None:
    assert not [*replaced_study("mine", tmp_path)]
    (tmp_path / "report.json").write_text(json.dumps({"study": "mine"}))
    assert not [*replaced_study("mine", tmp_path)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"study"', "null"])
def test_a_record_that_is_no_record_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    assert not [*replaced_study("mine", tmp_path)]


def test_the_screen_names_both_studies_before_the_first_job(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/report.json").write_text(json.dumps({"study": "phantom"}))
    words = ["--dry-run", "results/rsna/subsets.parquet", "--directory", str(tmp_path), "--cores", "1"]
    run = snakemake([*words, "--configfile", str(ROOT / "studies/tiny.yaml")], ROOT)
    assert run.returncode == 0, run.stderr
    [line] = [line for line in run.stderr.splitlines() if line.startswith("Note: results/ holds the study")]
    assert "the study phantom. The study tiny" in line
    assert "DIR=runs/tiny" in line
