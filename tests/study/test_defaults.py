"""config.yaml and studies/defaults are one configuration: each key stands in one file, and editors can check any of them."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.lib.core.errors import InputError
from scripts.lib.study import config as study_config
from scripts.lib.study.config import CONFIG_FILE, DEFAULTS, ROOT, read_study
from scripts.lib.study.files import read_yaml
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
    config = copy.deepcopy(read_study([CONFIG_FILE]))
    value_at(config, RENAMED[old])
    where, _, key = old.rpartition(".")
    value_at(config, where)[key] = "zero_residual"
    with pytest.raises(InputError) as fault:
        study_config.resolve(config)
    said = f"config: {where}: key '{key}' is of an earlier version; it is now {RENAMED[old]}"
    assert str(fault.value) == said
