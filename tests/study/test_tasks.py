"""The registry of tasks, and several tasks on the films of one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from scripts.lib.core.errors import InputError
from scripts.lib.study.cells import Cell
from scripts.lib.study.config import ROOT, load_study, read_study, resolve, stage
from scripts.lib.study.firewall import Firewall
from scripts.lib.study.layers import merge
from scripts.lib.study.needs import needed_datasets
from scripts.lib.study.study import Study
from scripts.lib.study.tasks import LABELS, METRICS, TASKS, of_structures, targets_of

AURAD = ROOT / "studies" / "aurad-phantom.yaml"
FILES = [ROOT / "config.yaml", AURAD]


def study() -> Study:
    return Study(load_study(FILES))


def changed(change: Mapping[str, Any]) -> dict[str, Any]:
    return resolve(merge(read_study(FILES), change))


def test_every_task_has_a_section_wherever_tasks_have_one() -> None:
    config = load_study([ROOT / "config.yaml"])
    for name, task in TASKS.items():
        assert name in config["trials"] and name in config["conditions"]
        assert config["figures"]["metrics"][name] in task.metrics and set(task.metrics) <= set(METRICS)
        assert task.of_structures == (task.says != LABELS) == of_structures({"task": name})
    assert targets_of({"target": "a"}) == ["a"] and targets_of({"target": ["a", "b"]}) == ["a", "b"]
    schema = yaml.safe_load((ROOT / "rules" / "config.schema.yaml").read_text())
    section = schema["properties"]["datasets"]["additionalProperties"]["properties"]
    assert set(section["task"]["enum"]) == set(TASKS)


def test_a_second_task_has_films_subsets_and_pools_of_the_first_and_trials_of_its_own() -> None:
    made = study()
    boxes, masks = (Cell(name, "aurad", "0.1") for name in ("chestxdet-boxes", "chestxdet"))
    assert made.datasets == ["chestxdet", "chestxdet-boxes"] and made.stores == ["chestxdet"]
    for method in (
        made.pool,
        made.shards,
        made.kept,
        made.conditions,
        made.subsets,
        made.leakage,
        made.cohort,
        made.trial_sources,
    ):
        assert method(boxes) == method(masks)
    assert made.trial_files("chestxdet-boxes", ["aurad"], ["0.1"])[-1] == (
        "results/chestxdet-boxes/trials/aurad/fraction-0.1/trial-1.parquet"
    )
    assert made.other_store(boxes) == "chestxdet" and made.other_store(masks) == ""
    assert made.cohorts() == ["chestxdet=results/chestxdet/cohort", "chestxdet-boxes=results/chestxdet/cohort"]
    section = made.config["datasets"]["chestxdet-boxes"]
    assert section["structures"] == made.config["datasets"]["chestxdet"]["structures"]
    assert stage(made.config, "trials", "chestxdet-boxes")["boxes"]["score"] == 0.01
    assert made.sheets() == list(dict.fromkeys(made.sheets()))
    assert "chestxdet-boxes" not in needed_datasets(made.config)
    assert Firewall(made).tables("chestxdet") == [
        f"results/chestxdet/leakage/{arm}.csv" for arm in ("real", *made.arms)
    ]


def test_weights_of_either_task_are_checked_for_leakage() -> None:
    change = {"datasets": {"chestxdet-boxes": {"trials": {"model": {"weights": "own/weights.safetensors"}}}}}
    made = Study(changed(change))
    assert "own/weights.safetensors" in Firewall(made).teachers(Cell("chestxdet", "aurad", "0.1"))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"cohort": "chestxdett"},
            "datasets.chestxdet-boxes.cohort = chestxdett: no such dataset; expected one of candid",
        ),
        (
            {"cohort": "chestxdet-boxes"},
            "chestxdet-boxes.cohort = chestxdet-boxes: has the cohort of another dataset itself",
        ),
        ({"labels": ["nodule"]}, "chestxdet-boxes.labels: the films are those of chestxdet; write the key there"),
        ({"target": ["nodule"]}, r"chestxdet-boxes.target: 'nodule' is not among datasets.chestxdet-boxes.structures"),
        ({"task": "detecting"}, 'datasets.chestxdet-boxes.task = "detecting": expected one of'),
        ({"task": "classification", "target": ["atelectasis"]}, "task classification expects one name"),
        ({"trials": {"boxes": {"score": 1.0}}}, "trials.boxes.score = 1.0: expected less than 1"),
    ],
)
def test_what_a_second_task_may_not_say(change: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line) as fault:
        changed({"datasets": {"chestxdet-boxes": change}})
    assert "\n" not in str(fault.value)


def test_metrics_of_another_task_are_refused() -> None:
    with pytest.raises(InputError, match="figures.metrics.detection: unknown key 'dice'"):
        changed({"figures": {"metrics": {"detection": "dice"}}})
    assert changed({"statistics": {"metrics": ["map", "froc"]}})["statistics"]["metrics"] == ["map", "froc"]
