"""Seeds of a study: where their tables lie, what they share, and a configuration that means the same in another folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study.config import load_study, to_json
from scripts.lib.study.replication import Replication
from scripts.lib.study.study import Study
from tests.conftest import ROOT

FILES = [ROOT / "config.yaml", ROOT / "studies" / "tiny.yaml"]


def replication(**given: Any) -> Replication:
    return Replication(Study(load_study(FILES, given)))


def test_the_studys_own_seed_is_the_study_itself() -> None:
    found = replication(replication={"seeds": [3, 1, 2]})
    assert found.tables() == ["results/seeds/seed-3.csv", "results/tables/differences.csv", "results/seeds/seed-2.csv"]
    assert found.named_tables()[0] == "3=results/seeds/seed-3.csv"


def test_one_seed_is_refused_and_so_is_the_folder_of_a_seed() -> None:
    with pytest.raises(InputError, match="expected two seeds or more"):
        replication(replication={"seeds": [1]}).tables()
    with pytest.raises(InputError, match="folder of one seed"):
        replication(replication={"films": "../.."}).tables()


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1], ["a"], 3])
def test_seeds_that_are_none_are_refused_by_the_schema(seeds: Any) -> None:
    with pytest.raises(InputError, match=r"replication\.seeds"):
        replication(replication={"seeds": seeds})


def test_a_seeds_configuration_is_that_of_the_study_but_for_the_seed(tmp_path: Path) -> None:
    own = replication().settings(7)
    (tmp_path / "study.json").write_text(to_json(own))
    again = load_study([ROOT / "config.yaml", tmp_path / "study.json"])
    assert again["study"]["seed"] == 7 and again["replication"]["films"] == "../.."
    study = load_study(FILES)
    assert {**again["study"], "seed": 1} == study["study"]
    assert {key: again[key] for key in again if key not in ("study", "replication")} == {
        key: study[key] for key in study if key not in ("study", "replication")
    }
    # Other seeds in the list change nothing of a seed: it is not run again.
    assert json.loads(to_json(replication(replication={"seeds": [1, 7, 9]}).settings(7))) == own


def test_real_films_are_shared_and_found_from_the_folder_of_a_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "films").mkdir()
    monkeypatch.chdir(tmp_path)
    found = replication(datasets={"rsna": {"root": "films"}}, replication={"films": "../.."})
    assert found.indices() == ["results/rsna/cohort/index.parquet"]
    assert found.settings(2)["datasets"]["rsna"]["root"] == str(tmp_path / "films")
    assert found.decoded("rsna") == ["../../rsna/cohort"] and found.decoded("siim") == []
    assert replication(datasets={"rsna": {"root": "films"}}).decoded("rsna") == []
    # A phantom is drawn anew, and what lies below results/ is every seed's own.
    settings = found.settings(2)
    assert settings["datasets"]["siim"]["root"] == "phantom"
    assert settings["arms"]["pool"]["path"].startswith("results/")
