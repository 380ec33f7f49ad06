"""What a start of the workflow says before any job: plans of studies, faults of a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.study.config import load_study, to_json
from scripts.lib.study.replication import Replication
from scripts.lib.study.study import Study
from tests.conftest import ROOT, copy_repository

pytestmark = pytest.mark.workflow


def test_one_dataset_is_planned_without_the_others(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path)
    text = "\n".join(str(item) for item in [workflow.run("--dry-run", "results/siim/summary.csv").stdout])
    assert "siim" in text
    assert "results/rsna" not in text


def test_the_paper_study_names_what_is_missing_at_once(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path)
    done = workflow.run("--dry-run", "--config", f"data={tmp_path}/nowhere", study="studies/paper.yaml")
    text = done.stdout + done.stderr
    assert done.returncode != 0
    told = text[text.index("Error: ") :]
    bullets = [line for line in told.splitlines() if line.startswith("- ")]
    assert told.startswith(f"Error: {len(bullets)} problems:\n- ") and len(bullets) >= 5
    line = "\n".join(bullets)
    for words in ("no such folder", "Stanford", "datasets.siim.root", "Kaggle", "base.path", "credential"):
        assert words in line, words
    assert "Traceback" not in text


def test_the_paper_study_is_planned_when_its_files_are_there(tmp_path: Path) -> None:
    from scripts.lib.formats.sources import tables

    workflow = copy_repository(tmp_path / "copy")
    data = tmp_path / "data with a space"
    config = load_study([ROOT / "config.yaml", ROOT / "studies" / "paper.yaml"])
    for section in config["datasets"].values():
        root = Path(section["root"].replace("{data}", str(data)))
        for table in tables(section["format"], root, section.get("reader")):
            table.parent.mkdir(parents=True, exist_ok=True)
            table.touch()
    base = Path(config["base"]["path"].replace("{data}", str(data)))
    base.mkdir(parents=True)
    (base / "model_index.json").write_text("{}")
    (data / "mgca").mkdir()
    (data / "mgca" / "vit_base.ckpt").touch()
    done = workflow.run("--dry-run", "results/figure2.pdf", "--config", f"data={data}", study="studies/paper.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train_base" not in done.stdout
    # 4 datasets x 3 fractions x 3 arms (real, original, duplicate) x 2 trials
    assert any(line.split() == ["train_trials", "72"] for line in done.stdout.splitlines()), done.stdout[-3000:]


def test_the_phantom_children_and_their_search_need_neither_masks_nor_reports(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path)
    overlay = ["--config", "class_ldm={from_search: true}", "fidelity={splits: [train, test]}"]
    done = workflow.run("--dry-run", "paediatric", "search", *overlay, study="studies/paediatric-phantom.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if len(line.split()) == 2}
    # 3 rounds of 4; shards: 2 at 0.1 for each arm and 1 at 1 for one; 3 ways and 2 controls of edits
    wanted = {"propose_round": 3, "train_proposal": 12, "train_class_ldm": 1, "drop_copies": 1, "sample_pool": 5}
    wanted |= {"sweep_edits": 1, "edit_films": 5, "tabulate_transfer": 1, "plot_transfer": 1}
    # real, class-ldm and duplicate at 0.1 and 1; class-ldm-safe, images and the other hospital alone at 0.1: 9 cells of 2 trials
    wanted |= {"train_trials": 18}
    assert {name: int(jobs[name]) for name in wanted} == wanted
    assert not {"train_base", "train_controlnet", "train_proxy", "validate_proxy"} & set(jobs)


@pytest.mark.parametrize("name", ["study.trial=3", "study.trials=0", "nonsense=1"])
def test_a_wrong_key_on_the_command_line_ends_the_run_with_one_line(tmp_path: Path, name: str) -> None:
    workflow = copy_repository(tmp_path)
    key, value = name.split("=")
    setting = f"{key.split('.')[0]}={{{key.split('.')[1]}: {value}}}" if "." in key else name
    done = workflow.run("--dry-run", "--config", setting)
    assert done.returncode != 0
    assert "config:" in done.stdout + done.stderr


def test_a_study_is_planned_under_two_seeds_each_in_a_folder_of_its_own(tmp_path: Path) -> None:
    workflow = copy_repository(tmp_path)
    seeds = ["--config", "replication={seeds: [1, 2]}"]
    done = workflow.run("replicate", "--dry-run", *seeds)
    assert done.returncode == 0, done.stdout + done.stderr
    planned = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if len(line.split()) == 2}
    # siim has 6 arms with `real`, rsna 5, each with 2 trials; the seed 1 is the study itself.
    assert planned["replicate_study"] == ["1"] and planned["train_trials"] == ["22"]
    assert planned["measure_replication"] == planned["plot_replication"] == ["1"]
    config = load_study([ROOT / "config.yaml", ROOT / "studies" / "tiny.yaml"])
    study = tmp_path / "results" / "seeds" / "seed-2" / "study.json"
    study.parent.mkdir(parents=True)
    study.write_text(to_json(Replication(Study(config)).settings(2)))
    folder = ["--directory", str(study.parent)]
    done = workflow.run("results/tables/differences.csv", "--dry-run", *folder, study=str(study))
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(line.split() == ["train_trials", "22"] for line in done.stdout.splitlines()), done.stdout[-3000:]
    assert "replicate_study" not in done.stdout
    done = workflow.run("replicate", "--dry-run", *folder, study=str(study))
    assert "this is the folder of one seed" in done.stderr and "Traceback" not in done.stderr
