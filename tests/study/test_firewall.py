"""Which lists and cohorts the leakage check of an arm reads, and what is said of models from elsewhere."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study import config as study_config
from scripts.lib.study.cells import Cell
from scripts.lib.study.firewall import CHOICE, Firewall, tell_checks, unknown_teachers
from scripts.lib.study.study import Study
from tests.conftest import ROOT


def firewall(*overlays: str, **given: Any) -> Firewall:
    return Firewall(Study(study_config.load_study([ROOT / "config.yaml", *(ROOT / path for path in overlays)], given)))


def test_an_arm_is_held_against_what_taught_its_models() -> None:
    own = firewall()
    assert own.teachers(Cell("rsna", "original", "0.1")) == ["results/generators/controlnet"]
    assert own.datasets(Cell("rsna", "original", "0.1")) == ["rsna", "mimic", "candid"]
    assert own.teachers(Cell("rsna", "real", "1")) == [] and own.datasets(Cell("rsna", "real", "1")) == ["rsna"]
    # CheXpert's classifier begins with MGCA's weights, in every arm.
    assert own.teachers(Cell("chexpert", "real", "1")) == ["results/mgca"]
    assert own.datasets(Cell("chexpert", "real", "1")) == ["chexpert", "mimic"]
    assert own.teachers(Cell("rsna", "proxy-filtered", "0.1")) == ["results/generators/controlnet", CHOICE]
    assert own.datasets(Cell("rsna", "proxy-tuned", "0.1")) == ["rsna", "mimic", "candid", "chexpert"]
    assert own.datasets(Cell("rsna", "dpo", "0.1")) == ["rsna", "mimic", "candid"]
    arms = ("real", "original", "duplicate", "pretrain")
    assert own.tables("rsna") == [f"results/rsna/leakage/{arm}.csv" for arm in arms]


def test_every_command_that_publishes_a_model_writes_its_list_of_films() -> None:
    texts = [file.read_text() for file in (ROOT / "scripts").glob("*.py")]
    trainings = [text for text in texts if "publish(args.out" in text]
    assert len(trainings) >= 10 and all("write_learned(" in text for text in trainings)


def test_tables_of_links_are_read_where_their_films_are() -> None:
    links = [{"dataset": "rsna", "to": "nih", "table": "who.csv"}, {"dataset": "siim", "to": "nih"}]
    own = firewall(leakage={"links": links})
    assert own.files(Cell("rsna", "real", "1"))[-1] == "who.csv"
    assert "who.csv" not in own.files(Cell("siim", "real", "1"))
    with pytest.raises(InputError, match="leakage.links.*nowhere"):
        firewall(leakage={"links": [{"dataset": "nowhere", "to": "nih"}]})


def test_films_are_set_aside_only_where_trials_do_so() -> None:
    assert firewall().settings(Cell("rsna", "real", "1"))["tuning"] is False
    assert firewall(trials={"validation_share": 0.1}).settings(Cell("rsna", "real", "1"))["tuning"] is True


def test_controls_and_other_cohorts(tmp_path: Path) -> None:
    arms = {"through": {"source": "reconstructed"}, "twice": {"source": "duplicate"}}
    arms["bought"] = {"source": "pool", "path": str(tmp_path)}
    own = firewall(arms=arms, study={"arms": ["bought"]}, trials={"external": {"chexpert": ["mimic"]}})
    assert own.teachers(Cell("rsna", "through", "1")) == ["results/generators/base"]
    assert own.datasets(Cell("rsna", "through", "1")) == ["rsna", "mimic"]
    assert own.teachers(Cell("rsna", "twice", "1")) == [] and own.elsewhere(Cell("rsna", "bought", "1")) == [
        str(tmp_path)
    ]
    assert unknown_teachers(own.config) == [
        f"arms.bought.path = {tmp_path}: not known what taught it (no learned_from.parquet there), so a test film may have; "
        "docs/leakage.md"
    ]
    assert own.settings(Cell("chexpert", "twice", "1"))["external"] == ["mimic"]
    assert "added" not in own.settings(Cell("chexpert", "twice", "1"))
    assert own.datasets(Cell("chexpert", "twice", "1")) == ["chexpert", "mimic"]
    own = firewall(
        arms={"there": {"source": "cohort", "cohort": "mimic"}}, study={"arms": ["there"], "datasets": ["rsna"]}
    )
    there = Cell("rsna", "there", "1")
    assert (
        own.settings(there)["added"] == ["mimic"]
        and own.datasets(there) == ["rsna", "mimic"]
        and own.teachers(there) == []
    )
    assert (
        own.study.exposure(there) == "not limited to 100 % of the training films: it adds real training films of mimic"
    )


def test_models_from_elsewhere_are_told(tmp_path: Path) -> None:
    config = study_config.read_study([ROOT / "config.yaml"])
    assert unknown_teachers(config) == []
    config["base"]["path"], config["proxy"]["model"] = str(tmp_path), "hf-hub:somebody/model"
    base, proxy = unknown_teachers(config)
    assert base.startswith(f"base.path = {tmp_path}: not known what taught it") and proxy.startswith(
        "proxy.model = hf-hub:"
    )
    (tmp_path / "learned_from.parquet").touch()
    assert [line.split(" ")[0] for line in unknown_teachers(config)] == ["proxy.model"]


def test_what_is_not_clean_is_told(tmp_path: Path) -> None:
    head = "dataset,kind,verdict,split,role,note\n"
    (tmp_path / "clean.csv").write_text(head + "a,all,clean,test,base,\n")
    (tmp_path / "unknown.csv").write_text(head + "a,all,not known,test,base,no list\na,all,clean,test,x,\n")
    (tmp_path / "broken.csv").write_bytes(b"\xff\x00")
    stream = io.StringIO()
    tell_checks([tmp_path / f"{name}.csv" for name in ("clean", "unknown", "broken", "absent")], stream)
    assert stream.getvalue() == f"{tmp_path}/unknown.csv: not known: test films against role base, no list\n"


def test_reconstructed_films_are_held_against_what_taught_the_autoencoder() -> None:
    own = firewall(arms={"back": {"source": "reconstructed"}})
    assert own.teachers(Cell("rsna", "back", "0.1")) == ["results/generators/base"]
    assert own.datasets(Cell("rsna", "back", "0.1")) == ["rsna", "mimic"]
    assert own.teachers(Cell("rsna", "duplicate", "0.1")) == [] and own.datasets(Cell("rsna", "duplicate", "1")) == [
        "rsna"
    ]
