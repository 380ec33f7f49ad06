"""The configuration says in one line what is wrong with it, and where."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.lib import config as study_config
from scripts.lib.config_schema import SCHEMA_FILE
from scripts.lib.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
OVERLAYS = sorted((ROOT / "studies").glob("*.yaml"))


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    return study_config.read_yaml(ROOT / "config.yaml")


def changed(config: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    section = config
    for name in parents:
        section = section[name]
    section[last] = value
    return config


def test_the_default_and_every_overlay_are_taken(default: dict[str, Any]) -> None:
    study_config.resolve(default)
    assert {path.stem for path in OVERLAYS} >= {"paper", "real-cxr", "tiny"}
    for path in OVERLAYS:
        study_config.load_study([ROOT / "config.yaml", path])


def test_every_default_is_described_by_the_schema(default: dict[str, Any]) -> None:
    """Each key of config.yaml is a property of the schema with a description, so that errors can explain it."""
    schema = yaml.safe_load(SCHEMA_FILE.read_text())
    missing = []
    for section, content in default.items():
        if not isinstance(content, dict):
            continue
        properties = schema["properties"][section].get("properties", {})
        missing += [f"{section}.{key}" for key in content if properties and key not in properties]
    assert missing == []


FAULTS = [
    ("study.multiplier", {"0.01": [0, 2]}, "unknown key 'multiplier'; did you mean 'multipliers'"),
    ("sampling.guidence", 3, "unknown key 'guidence'; did you mean 'guidance"),
    ("study.fractions", [0], "study.fractions.0 = 0: expected more than 0"),
    ("study.fractions", [1.5], "study.fractions.0 = 1.5: expected at most 1"),
    ("study.multipliers", {"0.01": [0, -2], "0.1": [0], "1": [0]}, "= -2: expected at least 0"),
    ("study.multipliers", {"0.01": [0, 2.5], "0.1": [0], "1": [0]}, '= 2.5: expected type "integer"'),
    ("study.multipliers", {"0.01": [0, "2x"], "0.1": [0], "1": [0]}, '= "2x": expected type "integer"'),
    ("study.multipliers", {"0.01": [0, 5, 2], "0.1": [0], "1": [0]}, "expected ascending numbers that begin with 0"),
    ("study.multipliers", {"0.01": [0], "0.1": [0]}, 'no list for fraction 1; add the key "1"'),
    ("study.trials", 0, "study.trials = 0: expected at least 1"),
    ("study.datasets", ["siim", "chexprt"], "unknown key 'chexprt'; did you mean 'chexpert'"),
    ("study.arms", ["orginal"], "unknown key 'orginal'; did you mean 'original'"),
    ("controlnet.learning_rate", "1e-4", "this is text: write the number without quotes"),
    ("statistics.test", "anova", "expected one of"),
    ("statistics.alpha", 1.2, "expected"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), FAULTS, ids=[f"{path}={value}"[:50] for path, value, _ in FAULTS]
)
def test_a_fault_is_named_in_one_line(default: dict[str, Any], path: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as fault:
        study_config.resolve(changed(default, path, value))
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("study:\n  seed: 1\n  trials: 2\n  seed: 3\n")
    with pytest.raises(InputError, match=r"study\.yaml:4: key 'seed' is given twice \(first in line 2\)"):
        study_config.read_yaml(tmp_path / "study.yaml")


@pytest.mark.parametrize(("text", "message"), [("a: [1", "not valid YAML"), ("- 1\n", "expected a mapping")])
def test_text_that_is_no_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        study_config.read_yaml(tmp_path / "study.yaml")


def test_an_overlay_changes_only_what_it_names() -> None:
    merged = study_config.merge({"a": {"x": 1, "y": [1, 2]}, "b": 3}, {"a": {"y": [9]}})
    assert merged == {"a": {"x": 1, "y": [9]}, "b": 3}


def test_placeholders_are_filled_from_the_paths_given_on_the_command_line(default: dict[str, Any]) -> None:
    config = changed(changed(default, "films", "/films here"), "datasets.siim.root", "{films}/siim")
    assert study_config.resolve(config)["datasets"]["siim"]["root"] == "/films here/siim"


def test_a_stage_is_the_section_with_the_datasets_overrides_on_top(default: dict[str, Any]) -> None:
    config = changed(default, "datasets.siim.trials", {"batch_size": 3})
    assert study_config.stage(config, "trials", "siim")["batch_size"] == 3
    assert study_config.stage(config, "trials", "candid")["batch_size"] != 3
    assert study_config.stage(config, "trials", "siim")["task"] == "segmentation"
    assert "task" not in study_config.stage(config, "prepare_cohort", "siim")


def test_the_order_of_keys_does_not_change_a_stage() -> None:
    assert study_config.to_json({"b": 1, "a": {"d": 2, "c": 3}}) == study_config.to_json(
        {"a": {"c": 3, "d": 2}, "b": 1}
    )
