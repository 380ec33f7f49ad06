"""config.yaml and studies/defaults are one configuration: each key stands in one file, and editors can check any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.lib.core.errors import InputError
from scripts.lib.study import config as study_config
from scripts.lib.study.config import CONFIG_FILE, DEFAULTS, ROOT, TRAINED, read_study
from scripts.lib.study.files import read_yaml
from scripts.lib.study.layers import merge
from scripts.lib.study.schema import RENAMED, SCHEMA_FILE, read_schema

FILES = [CONFIG_FILE, *sorted((ROOT / "studies").glob("*.yaml")), *sorted(DEFAULTS.glob("*.yaml"))]
LINES = 200  # of config.yaml: what a person reads


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the dotted keys of all values that are no mapping."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield ".".join(path)


def value_at(config: Any, path: str) -> Any:
    for key in path.split("."):
        config = config[key]
    return config


def test_no_two_files_give_the_same_default() -> None:
    counted = Counter(key for file in [CONFIG_FILE, *study_config.default_files()] for key in leaves(read_yaml(file)))
    assert [key for key, count in counted.items() if count > 1] == []
    assert set(counted) == set(leaves(read_study([CONFIG_FILE])))


def test_a_person_can_read_config_yaml() -> None:
    assert len(CONFIG_FILE.read_text().splitlines()) <= LINES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_editor_finds_the_schema_and_no_fault(file: Path) -> None:
    """A single file lacks keys of the others; an editor that holds it against the schema has nothing to mark."""
    mark = "# yaml-language-server: $schema="
    first = file.read_text().splitlines()[0]
    assert first.startswith(mark) and (file.parent / first.removeprefix(mark)).resolve() == SCHEMA_FILE
    assert [error.message for error in Draft202012Validator(read_schema()).iter_errors(read_yaml(file))] == []


def test_a_key_that_no_file_sets_is_missing() -> None:
    config = read_study([CONFIG_FILE])
    del config["controlnet"]["hint_channels"]
    with pytest.raises(InputError, match="config: controlnet: 'hint_channels' is missing"):
        study_config.resolve(config)


def test_a_copy_without_its_defaults_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_config, "DEFAULTS", tmp_path)
    with pytest.raises(InputError, match="no default settings; this copy of Synthorax is not whole"):
        read_study([CONFIG_FILE])


@pytest.mark.parametrize("file", study_config.default_files(), ids=lambda file: file.stem)
def test_an_overlay_sets_any_default(file: Path, tmp_path: Path) -> None:
    """The last of a file's keys, given by an overlay, is what the study has."""
    *parents, key = list(leaves(read_yaml(file)))[-1].split(".")
    overlay = tmp_path / "study.yaml"
    nested = "".join(f"{{{name}: " for name in parents)
    overlay.write_text(f"{nested}{{{key}: another}}{'}' * len(parents)}\n")
    assert value_at(read_study([CONFIG_FILE, overlay]), ".".join([*parents, key])) == "another"


@pytest.mark.parametrize("old", RENAMED)
def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(old: str) -> None:
    where, _, key = old.rpartition(".")
    refused(f"{where}.{key}", f"config: {where}: key '{key}' is of an earlier version; it is now {RENAMED[old]}")


@pytest.mark.parametrize("override", ["trials.segmentation", "datasets.siim.trials"])
def test_where_a_task_or_dataset_overrides_it_as_well(override: str) -> None:
    said = f"config: {override}.schedule: key 'warmup' is of an earlier version; it is now {override}.warmup"
    refused(f"{override}.schedule.warmup", said)


def refused(path: str, said: str) -> None:
    """Check that an overlay with this dotted key is refused with these words alone."""
    overlay: Any = "zero_residual"
    for name in reversed(path.split(".")):
        overlay = {name: overlay}
    with pytest.raises(InputError) as fault:
        study_config.resolve(merge(read_study([CONFIG_FILE]), overlay))
    assert str(fault.value) == said


def test_training_lists_the_keys_that_its_sections_take_in_the_schema() -> None:
    """TRAINED says of each section exactly the shared keys that the schema lets it set."""
    schema = read_schema()["properties"]
    shared = set(schema["training"]["properties"])
    assert shared == {key for keys in TRAINED.values() for key in keys}

    def taken(part: Any, path: str) -> Iterator[tuple[str, set[str]]]:
        inner = part.get("properties", {})
        if found := shared & set(inner):
            yield path, found
        for name, below in inner.items():
            yield from taken(below, f"{path}.{name}".strip("."))

    schema["trials"]["properties"].pop("optimizer")  # its weight_decay goes with its own name and learning rate
    found = {path: keys for name, part in schema.items() if name != "training" for path, keys in taken(part, name)}
    assert found == {section: set(keys) for section, keys in TRAINED.items()}


def test_a_section_s_own_value_comes_before_that_of_training() -> None:
    given = {"training": {"precision": "fp32", "clip": 3.0}, "controlnet": {"precision": "bf16"}, "mgca": {"clip": 0}}
    config = study_config.load_study([CONFIG_FILE], given)
    assert config["controlnet"]["precision"] == "bf16" and config["controlnet"]["clip"] == 3.0
    assert config["mgca"]["precision"] == "fp32" and config["mgca"]["clip"] == 0
    assert config["sampling"]["precision"] == config["trials"]["precision"] == config["proxy"]["precision"] == "fp32"
    assert config["base"]["unet"]["clip"] == 3.0 and "precision" not in config["base"]["unet"]
    assert config["base"]["unet"]["ema"] == read_yaml(DEFAULTS / "generators.yaml")["base"]["unet"]["ema"] == 0.995


def test_a_configuration_that_is_resolved_twice_is_the_same() -> None:
    once = study_config.load_study([CONFIG_FILE])
    assert study_config.resolve(once) == once


@pytest.mark.parametrize("section", ["training", "base.vae", "proxy.train", "trials", "sampling"])
def test_an_unknown_key_is_refused_beside_those_of_training(section: str) -> None:
    overlay: Any = {"gradient_acumulation": 2}
    for name in reversed(section.split(".")):
        overlay = {name: overlay}
    with pytest.raises(InputError, match=f"config: {section}: unknown key 'gradient_acumulation'"):
        study_config.resolve(merge(read_study([CONFIG_FILE]), overlay))
