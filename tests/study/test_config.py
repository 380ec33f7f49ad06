"""The configuration says in one line what is wrong with it, and where."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scripts.lib.core.errors import InputError
from scripts.lib.formats import folder
from scripts.lib.formats.sources import FOLDER_COLUMNS
from scripts.lib.phantom import spec
from scripts.lib.study import config as study_config
from scripts.lib.study.name_faults import FINDINGS
from scripts.lib.study.schema import SCHEMA_FILE, _validator, read_schema

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = sorted((ROOT / "studies").glob("*.yaml"))


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    return study_config.read_study([study_config.CONFIG_FILE])


def changed(config: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    section = config
    for name in parents:
        section = section[name]
    section[last] = copy.deepcopy(config["datasets"]["rsna"]) if path == "datasets.tables" else value
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
    (
        "datasets.rsna.trials",
        {"budgett": {"steps": 3}},
        "datasets.rsna.trials: unknown key 'budgett'; did you mean 'budget'",
    ),
    ("datasets.rsna.trials", {"augment": {"shfit": 0.1}}, "augment: unknown key 'shfit'; did you mean 'shift'"),
    (
        "datasets.rsna.reader",
        {"box_mask": True},
        "datasets.rsna.reader: reader key 'box_mask' of format rsna is unknown",
    ),
    ("datasets.rsna.phantom", {"prevalence": {"pneumona": 0.1}}, "phantom.prevalence: unknown key 'pneumona'"),
    ("datasets.rsna.conditions", {"prompts": {"pneumona": "x"}}, "conditions.prompts: unknown key 'pneumona'"),
    ("datasets.candid.cover", {"lung": 0.1}, "datasets.candid.cover: unknown key 'lung'; did you mean 'lungs'"),
    ("datasets.candid.target", "pneumothorx", "'pneumothorx' is not among datasets.candid.structures"),
    ("datasets.rsna.target", "pneumonia_", "'pneumonia_' is not among datasets.rsna.labels"),
    ("datasets.rsna.labels", ["pneumonia", "sex"], "datasets.rsna.labels: a cohort has a column sex of its own"),
    ("datasets.rsna.split", {"test": 1.5}, "split.test = 1.5: expected a share below 1, or a whole number of images"),
    ("datasets.tables", None, "results/tables is the folder of something else"),
    ("arms.real", {"generator": "controlnet"}, "arms.real: the name of the arm without synthetic images"),
    ("arms.Mine", {"generator": "controlnet"}, "text of the form"),
    ("arms.dpo", {"generator": "dpo", "cells": {"datasets": ["rsan"]}}, "arms.dpo.cells.datasets: unknown key 'rsan'"),
    ("conditions.prompts.pneumona", "x", "conditions.prompts: unknown key 'pneumona'; did you mean 'pneumonia'"),
    ("controlnet.palette", {"lung": [0, 0, 0]}, "controlnet.palette: unknown key 'lung'; did you mean 'lungs'"),
    ("figures.figure4.dataset", "nope", "figures.figure4.dataset: unknown key 'nope'"),
    ("figures.figure3.labels", ["edma"], "figures.figure3.labels: unknown key 'edma'; did you mean 'edema'"),
    ("figures.figure3.names.orginal", "x", "figures.figure3.names: unknown key 'orginal'"),
    ("statistics.metrics", ["f1", "dcie"], "statistics.metrics: unknown key 'dcie'; did you mean 'dice'"),
    ("statistics.metrics", ["f11:pneumonia"], "statistics.metrics: unknown key 'f11'"),
    ("statistics.bootstrap.metrics", ["auc"], "bootstrap.metrics: unknown key 'auc'; did you mean 'auroc'"),
    ("figures.metrics.segmentation", "f1", "figures.metrics.segmentation: unknown key 'f1'"),
    ("proxy.validation.split", "valid", 'proxy.validation.split = "valid": expected one of'),
    ("figures.arm", "orginal", "figures.arm: unknown key 'orginal'"),
    ("proxy.validation.dataset", "mimc", "proxy.validation.dataset: unknown key 'mimc'; did you mean 'mimic'"),
    ("feedback.splits.mimc", ["train"], "feedback.splits: unknown key 'mimc'"),
    ("feedback.simulation.judge.findings.dataset", "mimc", "judge.findings.dataset: unknown key 'mimc'"),
    ("feedback.sets.mask_dataset", "candit", "feedback.sets.mask_dataset: unknown key 'candit'"),
    ("study.seed", 2**63, "study.seed = 9223372036854775808: expected at most 9223372036854775807"),
    ("study.fractions", [0.00001], "study.fractions: 1e-05 is too small"),
    ("study.fractions", [0.1, 0.1000000001], "is too small or too near another"),
    ("study.multipliers", {"0.01": [0], "0.1": [0], "1.0": [0]}, 'key "1.0": write "1"'),
    ("sampling.shards", {"0.10": 2}, 'sampling.shards: key "0.10": write "0.1"'),
    ("base.vae.channels", [8, 10**9], "base.vae.channels.1 = 1000000000: expected at most 65536"),
    ("trials.budget.steps", 10**12, "expected at most 1000000000"),
    ("controlnet.weight_decay", float("nan"), "controlnet.weight_decay = nan: expected a finite number"),
    ("controlnet.weight_decay", float("inf"), "controlnet.weight_decay = inf: expected a finite number"),
    ("study.name", "x" * 255, "study.name"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), FAULTS, ids=[f"{path}={value}"[:50] for path, value, _ in FAULTS]
)
def test_a_fault_is_named_in_one_line(default: dict[str, Any], path: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as fault:
        study_config.resolve(changed(default, path, value))
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)


def leaves(schema: Any, key: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return every part of the bounded schema that describes a value."""
    if isinstance(schema, list):
        return [leaf for part in schema for leaf in leaves(part, key)]
    if not isinstance(schema, dict):
        return []
    own = [(key, schema)] if isinstance(schema.get("type"), (str, list)) else []
    return own + [leaf for name, part in schema.items() for leaf in leaves(part, f"{key}.{name}")]


def test_every_number_text_list_and_mapping_of_the_schema_is_bounded() -> None:
    found = leaves(_validator().schema)
    assert len(found) > 300
    for where, schema in found:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if {"integer", "number"} & set(kinds):
            assert {"minimum", "exclusiveMinimum"} & set(schema), where
            assert {"maximum", "exclusiveMaximum"} & set(schema), where
        if "string" in kinds:
            assert "maxLength" in schema, where
        if "array" in kinds:
            assert "maxItems" in schema, where
        if "object" in kinds:  # a reader's keys depend on its format: sources.reader_settings refuses unknown ones
            assert "additionalProperties" in schema or where.endswith("properties.reader"), where


def test_every_number_has_a_lowest_value_of_its_own() -> None:
    found = [one for where, one in leaves(read_schema()) if "search.properties.space" not in where]
    numbers = [one for one in found if {"integer", "number"} & {*np.atleast_1d(one["type"])}]
    assert len(numbers) > 200
    assert all(one.get("minimum", one.get("exclusiveMinimum", -1)) >= 0 for one in numbers)


def test_the_names_that_planning_knows_are_those_of_the_steps() -> None:
    assert (*folder.REQUIRED, *folder.OPTIONAL) == FOLDER_COLUMNS
    assert tuple(finding.replace(" ", "_") for finding in spec.FINDINGS) == FINDINGS


@pytest.mark.parametrize("depth", range(6))
def test_an_unknown_key_is_refused_at_every_depth(default: dict[str, Any], depth: int) -> None:
    """Each mapping of the defaults is given a key that nobody knows; mappings of free names refuse it as a name."""

    def mappings(value: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        inner = value.items() if isinstance(value, dict) else ()
        return [
            path,
            *[found for key, part in inner for found in mappings(part, (*path, key)) if isinstance(part, dict)],
        ]

    assert max(len(path) for path in mappings(default, ())) <= 5
    for path in [path for path in mappings(default, ()) if len(path) == depth]:
        config = copy.deepcopy(default)
        section: Any = config
        for key in path:
            section = section[key]
        section["zzz"] = "nothing"
        with pytest.raises(InputError, match="zzz|nothing"):
            study_config.resolve(config)


def test_values_of_the_command_line_are_read_as_what_the_schema_asks_for() -> None:
    """Snakemake hands `study={trials: 3}` on as {"study": {"trials": "3"}}, and `films=2019` as the number 2019."""
    given = {
        "study": {"trials": "3", "fractions": ["0.5"], "multipliers": {"0.5": ["0", "2"]}},
        "sampling": {"speed": {"channels_last": "true"}, "shards": {"0.5": "2"}},
        "base": {"path": "null", "vae": {"learning_rate": "1e-4"}},
        "datasets": {"rsna": {"title": "2019"}},
        "films": 2019,
    }
    config = study_config.load_study([ROOT / "config.yaml"], given)
    assert config["study"]["trials"] == 3 and config["study"]["fractions"] == [0.5]
    assert config["study"]["multipliers"]["0.5"] == [0, 2] and config["sampling"]["shards"]["0.5"] == 2
    assert config["sampling"]["speed"]["channels_last"] is True and config["base"]["path"] is None
    assert config["base"]["vae"]["learning_rate"] == 0.0001
    assert config["films"] == "2019" and config["datasets"]["rsna"]["title"] == "2019"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"study": {"trials": "3x"}}, 'study.trials = "3x": expected type "integer"'),
        ({"study": {"trial": "3"}}, "unknown key 'trial'"),
        ({"study": "3"}, "study = 3: expected type"),
        ({"study": {"trials": "nan"}}, 'study.trials = "nan"'),
        ({"films": float("nan")}, "films = nan: expected a finite number"),
    ],
)
def test_wrong_values_of_the_command_line_are_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as fault:
        study_config.load_study([ROOT / "config.yaml"], given)
    assert message in str(fault.value) and "\n" not in str(fault.value)


def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("study:\n  seed: 1\n  trials: 2\n  seed: 3\n")
    with pytest.raises(InputError, match=r"study\.yaml:4: key 'seed' is given twice \(first in line 2\)"):
        study_config.read_yaml(tmp_path / "study.yaml")


@pytest.mark.parametrize(("text", "message"), [("a: [1", "not valid YAML"), ("- 1\n", "expected a mapping")])
def test_text_that_is_no_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        study_config.read_yaml(tmp_path / "study.yaml")


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
